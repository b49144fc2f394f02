/*
 * virtio-gpu-edid.c - the description of a monitor that a display hands to its guest.
 *
 * Lobby, pure. Source: VESA E-EDID 1.4, sections 3.3 to 3.11; blanking after CVT reduced blanking.
 * Invariant: the 128 bytes sum to 0 modulo 256.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/display/virtio-gpu.h"

enum { H_BLANK = 160, H_FRONT = 48, H_SYNC = 32, V_BLANK = 35, V_FRONT = 3, V_SYNC = 6 };
enum { REFRESH_HZ = 60, DPI = 100, TAG_NAME = 0xfc, TAG_RANGE = 0xfd, TAG_UNUSED = 0x10 };

static uint32_t millimetres(uint32_t pixels)
{
    return pixels * 254 / (DPI * 10);
}

/* Section 3.10.2: a timing of 18 bytes. */
static void detailed_timing(uint8_t *d, uint32_t xres, uint32_t yres)
{
    uint32_t clock = (uint64_t)(xres + H_BLANK) * (yres + V_BLANK) * REFRESH_HZ / 10000;
    uint32_t xmm = millimetres(xres), ymm = millimetres(yres);
    d[0] = MIN(clock, 65535) & 0xff;
    d[1] = MIN(clock, 65535) >> 8;
    d[2] = xres & 0xff;
    d[3] = H_BLANK & 0xff;
    d[4] = (xres >> 8) << 4 | H_BLANK >> 8;
    d[5] = yres & 0xff;
    d[6] = V_BLANK & 0xff;
    d[7] = (yres >> 8) << 4 | V_BLANK >> 8;
    d[8] = H_FRONT;
    d[9] = H_SYNC;
    d[10] = V_FRONT << 4 | V_SYNC;
    d[11] = 0;
    d[12] = xmm & 0xff;
    d[13] = ymm & 0xff;
    d[14] = (xmm >> 8) << 4 | (ymm >> 8);
    d[17] = 0x18;                   /* digital, separate sync */
}

/* Section 3.10.3: text ends with a line feed and blanks. */
static void text_descriptor(uint8_t *d, uint8_t tag, const char *text)
{
    d[3] = tag;
    memset(d + 5, ' ', 13);
    memcpy(d + 5, text, strlen(text));
    d[5 + strlen(text)] = '\n';
}

static void range_descriptor(uint8_t *d)
{
    d[3] = TAG_RANGE;
    d[5] = 50;                      /* Hz, vertical */
    d[6] = 125;
    d[7] = 30;                      /* kHz, horizontal */
    d[8] = 160;
    d[9] = 255;                     /* 10 MHz, pixel clock */
    d[10] = 1;                      /* these are all that is said */
    d[11] = '\n';
    memset(d + 12, ' ', 6);
}

void gpu_edid(uint8_t edid[GPU_EDID_SIZE], uint32_t xres, uint32_t yres)
{
    static const uint8_t header[8] = {0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    /* Chromaticity of sRGB, section 3.7. */
    static const uint8_t srgb[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
    uint8_t sum = 0;
    memset(edid, 0, GPU_EDID_SIZE);
    memcpy(edid, header, sizeof(header));
    edid[8] = 0x1e;                 /* "GWT": three letters of five bits */
    edid[9] = 0xf4;
    edid[10] = 1;
    edid[17] = 30;                  /* made in 2020 */
    edid[18] = 1;
    edid[19] = 4;
    edid[20] = 0xa5;                /* digital, 8 bits a colour, DisplayPort */
    edid[21] = MIN(millimetres(xres) / 10, 255);
    edid[22] = MIN(millimetres(yres) / 10, 255);
    edid[23] = 120;                 /* gamma 2.2 */
    edid[24] = 0x06;                /* sRGB; the first timing is the native one */
    memcpy(edid + 25, srgb, sizeof(srgb));
    memset(edid + 38, 0x01, 16);    /* no standard timings */
    detailed_timing(edid + 54, xres, yres);
    range_descriptor(edid + 72);
    text_descriptor(edid + 90, TAG_NAME, "Godwit");
    edid[108 + 3] = TAG_UNUSED;
    for (unsigned i = 0; i < GPU_EDID_SIZE - 1; i++) {
        sum += edid[i];
    }
    edid[GPU_EDID_SIZE - 1] = -sum;
}
