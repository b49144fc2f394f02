/*
 * hmp-commands.h - the functions behind the shell's two tables.
 *
 * Floor F6, private to monitor/hmp*.c.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_HMP_COMMANDS_H
#define GODWIT_MONITOR_HMP_COMMANDS_H

typedef struct HmpCall HmpCall;

/* hmp-cmds.c, hmp-mem.c, hmp-snapshot.c */
void hmp_balloon(HmpCall *call);
void hmp_cont(HmpCall *call);
void hmp_set_cpu(HmpCall *call);
void hmp_delvm(HmpCall *call);
void hmp_device_add(HmpCall *call);
void hmp_device_del(HmpCall *call);
void hmp_help(HmpCall *call);
void hmp_info(HmpCall *call);
void hmp_loadvm(HmpCall *call);
void hmp_log(HmpCall *call);
void hmp_logfile(HmpCall *call);
void hmp_memsave(HmpCall *call);
void hmp_netdev_add(HmpCall *call);
void hmp_netdev_del(HmpCall *call);
void hmp_nmi(HmpCall *call);
void hmp_object_add(HmpCall *call);
void hmp_object_del(HmpCall *call);
void hmp_pmemsave(HmpCall *call);
void hmp_print(HmpCall *call);
void hmp_quit(HmpCall *call);
void hmp_savevm(HmpCall *call);
void hmp_screendump(HmpCall *call);
void hmp_set_link(HmpCall *call);
void hmp_stop(HmpCall *call);
void hmp_sum(HmpCall *call);
void hmp_system_powerdown(HmpCall *call);
void hmp_system_reset(HmpCall *call);
void hmp_trace_event(HmpCall *call);
void hmp_x(HmpCall *call);
void hmp_xp(HmpCall *call);

/* hmp-migration.c */
void hmp_announce_self(HmpCall *call);
void hmp_migrate(HmpCall *call);
void hmp_migrate_cancel(HmpCall *call);
void hmp_migrate_continue(HmpCall *call);
void hmp_migrate_incoming(HmpCall *call);
void hmp_migrate_set_capability(HmpCall *call);
void hmp_migrate_set_cache_size(HmpCall *call);
void hmp_migrate_set_downtime(HmpCall *call);
void hmp_migrate_set_parameter(HmpCall *call);
void hmp_migrate_set_speed(HmpCall *call);
void hmp_x_migrate_settle(HmpCall *call);
void hmp_info_migrate(HmpCall *call);
void hmp_info_migrate_cache_size(HmpCall *call);
void hmp_info_migrate_capabilities(HmpCall *call);
void hmp_info_migrate_parameters(HmpCall *call);

/* hmp-info.c, hmp-info-hw.c, hmp-snapshot.c */
void hmp_info_balloon(HmpCall *call);
void hmp_info_block(HmpCall *call);
void hmp_info_blockstats(HmpCall *call);
void hmp_info_chardev(HmpCall *call);
void hmp_info_cpus(HmpCall *call);
void hmp_info_history(HmpCall *call);
void hmp_info_irq(HmpCall *call);
void hmp_info_mem(HmpCall *call);
void hmp_info_mtree(HmpCall *call);
void hmp_info_name(HmpCall *call);
void hmp_info_network(HmpCall *call);
void hmp_info_qom_tree(HmpCall *call);
void hmp_info_qtree(HmpCall *call);
void hmp_info_registers(HmpCall *call);
void hmp_info_roms(HmpCall *call);
void hmp_info_snapshots(HmpCall *call);
void hmp_info_status(HmpCall *call);
void hmp_info_trace_events(HmpCall *call);
void hmp_info_uuid(HmpCall *call);
void hmp_info_version(HmpCall *call);

#endif
