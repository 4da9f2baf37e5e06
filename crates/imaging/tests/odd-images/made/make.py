"""Makes the files of this directory and expect.json, the pixels that each must give. Needs NumPy, Pillow, tifffile and imagecodecs.

Files are written by tifffile, imagecodecs and Pillow, or byte by byte; the pixels are those that went in, or what Pillow reads where a
compression loses some."""

import io
import json
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

here = Path(__file__).parent
rng = np.random.default_rng(3)
expected = []


def pixels(name, values, tolerance=0.003):
    """`values` from 0 to 1: rows, columns, channels."""
    values = np.asarray(values, float)
    values = values[:, :, None] if values.ndim == 2 else values
    h, w, c = values.shape
    rounded = [round(float(v), 5) for v in values.ravel()]
    expected.append(dict(file=name, width=w, height=h, channels=c, tolerance=tolerance, values=rounded))


def refused(name, line):
    expected.append(dict(file=name, error=line))


def file(name, data):
    (here / name).write_bytes(data)


def tif(name, array, values, tolerance=0.003, **how):
    tifffile.imwrite(here / name, array, metadata=None, software=False, **how)
    if isinstance(values, str):
        refused(name, values)
    else:
        pixels(name, values, tolerance)


def random(top, *shape):
    return rng.integers(0, top + 1, shape)


def bits_of(rows, bits):
    """Rows of values of so many bits, each filled to whole bytes."""
    out = b""
    for row in rows:
        text = "".join(format(int(v), f"0{bits}b") for v in row)
        text += "0" * (-len(text) % 8)
        out += int(text, 2).to_bytes(len(text) // 8, "big")
    return out


REVERSED = bytes(int(f"{i:08b}"[::-1], 2) for i in range(256))


def raw_tiff(width, height, bits, photometric, samples, data, compression=1, more=(), order="<"):
    letters = {1: "B", 3: "H", 4: "I", 5: "I"}
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [compression]),
            (262, 3, [photometric]), (273, 4, [0]), (277, 3, [samples]), (278, 4, [height]), (279, 4, [len(data)]), *more]
    tags.sort()
    at = 8 + 2 + 12 * len(tags) + 4
    entries = blobs = b""
    payloads = [b"".join(struct.pack(order + letters[kind], v) for v in values) for _, kind, values in tags]
    begin = at + sum(len(p) for p in payloads if len(p) > 4)
    for (tag, kind, values), payload in zip(tags, payloads):
        if tag == 273:
            payload = struct.pack(order + "I", begin)
        count = len(values) // (2 if kind == 5 else 1)
        if len(payload) <= 4:
            entries += struct.pack(order + "HHI", tag, kind, count) + payload.ljust(4, b"\0")
        else:
            entries += struct.pack(order + "HHII", tag, kind, count, at + len(blobs))
            blobs += payload
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    return start + entries + struct.pack(order + "I", 0) + blobs + data


# TIFF: depths, strips, tiles, planes, byte orders, compressions.
for top, kind in [(255, np.uint8), (65535, np.uint16)]:
    bits = 8 if top == 255 else 16
    colours, alpha = random(top, 5, 6, 3), random(top, 5, 6, 1)
    rgb = colours.astype(kind)
    planes = np.moveaxis(rgb, 2, 0)
    tif(f"rgb{bits}-lzw-predictor.tif", rgb, rgb / top, photometric="rgb", compression="lzw", predictor=2)
    tif(f"rgb{bits}-deflate-big-endian.tif", rgb, rgb / top, photometric="rgb", compression="deflate", byteorder=">")
    tif(f"rgb{bits}-bigtiff.tif", rgb, rgb / top, photometric="rgb", bigtiff=True)
    tif(f"rgb{bits}-planar.tif", planes, rgb / top, photometric="rgb", planarconfig="separate")
    tif(f"rgb{bits}-planar-tiles.tif", planes, rgb / top, photometric="rgb", planarconfig="separate", tile=(16, 16),
        compression="deflate")
    tif(f"grey{bits}-white-is-zero.tif", rgb[:, :, 0], 1 - rgb[:, :, 0] / top, photometric="miniswhite")
    over_white = colours / top * (alpha / top) + 1 - alpha / top
    multiplied = np.rint(colours * (alpha / top))
    for name, values, extra, result in [("unassociated", colours, "unassalpha", over_white),
                                        ("associated", multiplied, "assocalpha", over_white),
                                        ("unspecified", colours, "unspecified", colours / top)]:
        both = np.concatenate([values, alpha], 2).astype(kind)
        tif(f"rgb{bits}-{name}.tif", both, result, 0.006, photometric="rgb", extrasamples=[extra])
        both = np.concatenate([values[:, :, :1], alpha], 2).astype(kind)
        tif(f"grey{bits}-{name}.tif", both, result[:, :, :1], 0.006, photometric="minisblack", planarconfig="contig",
            extrasamples=[extra])
    ink = random(top, 4, 5, 4)
    tif(f"cmyk{bits}.tif", ink.astype(kind), (1 - ink[:, :, :3] / top) * (1 - ink[:, :, 3:] / top),
        photometric="separated")

for bits in (1, 2, 4, 6, 10, 12):
    grey, colours = random(2**bits - 1, 3, 5), random(2**bits - 1, 3, 5, 3)
    top = 2**bits - 1
    packed = bits_of(grey, bits)
    file(f"grey{bits}.tif", raw_tiff(5, 3, bits, 1, 1, packed))
    pixels(f"grey{bits}.tif", grey / top, 0.0021 if bits <= 8 else 2e-5)
    file(f"grey{bits}-fill-order.tif", raw_tiff(5, 3, bits, 0, 1, packed.translate(REVERSED), more=[(266, 3, [2])]))
    pixels(f"grey{bits}-fill-order.tif", 1 - grey / top, 0.0021 if bits <= 8 else 2e-5)
    file(f"rgb{bits}.tif", raw_tiff(5, 3, bits, 2, 3, bits_of(colours.reshape(3, -1), bits), order=">"))
    pixels(f"rgb{bits}.tif", colours / top, 0.0021 if bits <= 8 else 2e-5)
    if bits <= 4:
        table = random(255, 3, 2**bits)
        shown = np.stack([channel[grey] for channel in table], -1) / 255
        for name, factor in [("16-bit-map", 257), ("8-bit-map", 1)]:
            colour_map = (320, 3, [int(v) * factor for v in table.ravel()])
            file(f"palette{bits}-{name}.tif", raw_tiff(5, 3, bits, 3, 1, packed, more=[colour_map]))
            pixels(f"palette{bits}-{name}.tif", shown)
grey = random(255, 7, 9)
fill = [(266, 3, [2])]
for name, method, packed in [("none", 1, grey.astype(np.uint8).tobytes()),
                             ("lzw", 5, imagecodecs.lzw_encode(grey.astype(np.uint8).tobytes())),
                             ("packbits", 32773, imagecodecs.packbits_encode(grey.astype(np.uint8).tobytes()))]:
    file(f"grey8-fill-order-{name}.tif", raw_tiff(9, 7, 8, 1, 1, packed.translate(REVERSED), method, fill))
    pixels(f"grey8-fill-order-{name}.tif", grey / 255)
for turn in range(1, 9):
    file(f"orientation{turn}.tif", raw_tiff(9, 7, 8, 1, 1, grey.astype(np.uint8).tobytes(), more=[(274, 3, [turn])]))
    lies = Image.fromarray(grey.astype(np.uint8))
    move = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
            7: "TRANSVERSE", 8: "ROTATE_90"}.get(turn)
    pixels(f"orientation{turn}.tif", np.asarray(lies.transpose(Image.Transpose[move]) if move else lies) / 255)
numbers = rng.random((3, 5)).astype(np.float32)
tif("float32.tif", numbers, numbers, photometric="minisblack")
tif("float32-predictor.tif", numbers, numbers, photometric="minisblack", compression="deflate", predictor=3)
tif("float32-large.tif", numbers * 900, "floating-point values", photometric="minisblack")
tif("float64.tif", numbers.astype(float), "64-bit floating-point", photometric="minisblack")
tif("integers32.tif", np.full((2, 2), 7, np.uint32), "32-bit integers", photometric="minisblack")
tif("signed8.tif", np.full((2, 2), -7, np.int8), "signed 8-bit", photometric="minisblack")
tif("negative16.tif", np.full((2, 2), -7, np.int16), "negative values", photometric="minisblack")
file("preview.tif", raw_tiff(9, 7, 8, 1, 1, grey.astype(np.uint8).tobytes(), more=[(254, 4, [1])]))
refused("preview.tif", "preview")
file("cut.tif", raw_tiff(9, 7, 8, 1, 1, grey.astype(np.uint8).tobytes()[:40]))
refused("cut.tif", "cut short")
for name in ("zstd", "lzma", "webp"):
    tif(f"{name}.tif", np.zeros((8, 8, 3), np.uint8), "compression is not read", photometric="rgb", compression=name)

# YCbCr: two areas of one colour each, so that what shares a chroma has one.
areas = np.full((8, 8, 3), (200, 80, 30), np.uint8)
areas[4:] = (10, 90, 220)


def luma_chroma(rgb):
    r, g, b = (rgb[..., i].astype(float) for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return np.rint(np.stack([y, 128 + (b - y) / 1.772 * 127 / 127.5, 128 + (r - y) / 1.402 * 127 / 127.5], -1))


for across, down in [(1, 1), (2, 1), (2, 2), (4, 2)]:
    units = b""
    for y in range(0, 8, down):
        for x in range(0, 8, across):
            unit = luma_chroma(areas)[y:y + down, x:x + across]
            units += bytes(int(v) for v in [*unit[..., 0].ravel(), unit[0, 0, 1], unit[0, 0, 2]])
    file(f"ycbcr{across}{down}.tif", raw_tiff(8, 8, 8, 6, 3, units, more=[(530, 3, [across, down])]))
    pixels(f"ycbcr{across}{down}.tif", areas / 255, 0.012)
slope = np.stack(np.meshgrid(np.arange(16) * 12, np.arange(16) * 9), -1)
slope = np.concatenate([slope, np.full((16, 16, 1), 90)], 2).astype(np.uint8)
# tifffile leaves the change of colours to its caller.
for name, values, how in [("ycbcr", luma_chroma(slope).astype(np.uint8), dict(photometric="ycbcr", subsampling=(2, 2))),
                          ("rgb", slope, dict(photometric="rgb"))]:
    tif(f"jpeg-{name}.tif", values, slope / 255, 0.09, compression="jpeg", compressionargs=dict(level=98), **how)
# L*a*b* under D50: sRGB red, green, blue and grey (Lindbloom's calculator).
lab = np.array([[[54.29, 80.81, 69.89], [87.82, -79.29, 80.99], [29.57, 68.30, -112.03], [53.59, 0, 0]]])
shown = [[[1, 0, 0], [0, 1, 0], [0, 0, 1], [128 / 255] * 3]]
eight = np.rint(lab * [2.55, 1, 1]).astype(int)
file("cielab.tif", raw_tiff(4, 1, 8, 8, 3, bytes(int(v) % 256 for v in eight.ravel())))
pixels("cielab.tif", shown, 0.05)
file("icclab.tif", raw_tiff(4, 1, 8, 9, 3, bytes(int(v) for v in (eight + [0, 128, 128]).ravel())))
pixels("icclab.tif", shown, 0.05)


# BMP.
def bmp(width, height, bits, palette, data, compression=0, header=40, gap=0, colours=None, offset=None):
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        n = len(palette) if colours is None else colours
        head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, len(data), 0, 0, n, 0)
        head = head[:header].ljust(header, b"\0")
    table = b"".join(bytes((b, g, r)) + (b"" if header == 12 else b"\0") for r, g, b in palette)
    begin = 14 + len(head) + len(table) + gap
    start = struct.pack("<IHHI", begin + len(data), 0, 0, begin if offset is None else offset)
    return b"BM" + start + head + table + bytes(gap) + data


def bmp_rows(indices, bits):
    rows = [bits_of([row], bits) for row in indices[::-1]]
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


for bits in (1, 2, 4, 8):
    palette = random(255, min(2**bits, 40), 3)
    indices = random(len(palette) - 1, 3, 7)
    data = bmp_rows(indices, bits)
    kinds = dict(plain={}, gap=dict(gap=10), no_offset=dict(offset=0), v5=dict(header=124), os2=dict(header=64),
                 core=dict(header=12))
    for kind, how in kinds.items():
        name = f"{kind.replace('_', '-')}{bits}.bmp"
        file(name, bmp(7, 3, bits, palette.tolist(), data, **how))
        pixels(name, palette[indices] / 255)
palette = random(255, 16, 3).tolist()
for name, bits, method, data, indices in [
    ("rle8-skips", 8, 1, [2, 1, 0, 0, 0, 2, 1, 0, 0, 3, 4, 5, 6, 0, 0, 0, 4, 7, 0, 1], ["7777", "0456", "1100"]),
    ("rle8-ends-early", 8, 1, [2, 1, 0, 1], ["0000", "0000", "1100"]),
    ("rle4-skips", 4, 2, [3, 0x12, 0, 0, 0, 2, 1, 1, 3, 0x56, 0, 1], ["0565", "0000", "1210"]),
    ("rle4-no-end", 4, 2, [0, 4, 0x12, 0x34, 0, 0, 4, 0x77, 0, 0, 4, 0x12], ["1212", "7777", "1234"]),
]:
    file(f"{name}.bmp", bmp(4, 3, bits, palette, bytes(data), method))
    pixels(f"{name}.bmp", np.array(palette)[[[int(i) for i in row] for row in indices]] / 255)
file("rle8-cut.bmp", bmp(4, 3, 8, palette, bytes([2, 1]), 1))
refused("rle8-cut.bmp", "cut short")
file("index.bmp", bmp(4, 1, 8, palette, bytes([1, 2, 200, 3])))
refused("index.bmp", "colour 200")
colours = random(255, 3, 5, 3)
rows = b"".join(row[:, ::-1].astype(np.uint8).tobytes() + b"\0" for row in colours[::-1])
for name, how in [("rgb24", {}), ("rgb24-no-offset", dict(offset=0)), ("rgb24-os2", dict(header=64))]:
    file(f"{name}.bmp", bmp(5, 3, 24, [], rows, **how))
    pixels(f"{name}.bmp", colours / 255)


# PNM, PNG, GIF, JPEG.
for top in (1, 7, 100, 255, 1023, 65535):
    grey, colours = random(top, 3, 5), random(top, 3, 5, 3)
    kind = ">u2" if top > 255 else "u1"
    exact = 2e-5 if top > 255 else 0.0021
    for name, head, data, values in [
        (f"p5-{top}.pgm", b"P5\n5 3\n%d\n", grey.astype(kind).tobytes(), grey),
        (f"p6-{top}.ppm", b"P6\n# a comment\n5 3\n%d\n", colours.astype(kind).tobytes(), colours),
        (f"p2-{top}.pgm", b"P2\n5 3\n%d\n", " ".join(map(str, grey.ravel())).encode(), grey),
        (f"p7-{top}.pnm", b"P7\nWIDTH 5\nHEIGHT 3\nDEPTH 3\nMAXVAL %d\nTUPLTYPE RGB\nENDHDR\n",
         colours.astype(kind).tobytes(), colours),
    ]:
        file(name, head % top + data)
        pixels(name, values / top, exact)
black = random(1, 3, 11)
file("p4.pbm", b"P4\n11 3\n" + bits_of(black, 1))
pixels("p4.pbm", 1 - black)
file("p1.pbm", b"P1\n11 3\n" + "\n".join("".join(map(str, row)) for row in black).encode())
pixels("p1.pbm", 1 - black)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, colour, data, more=b""):
    row = len(data) // height
    lines = b"".join(b"\0" + data[i * row:(i + 1) * row] for i in range(height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + more + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


for bits in (1, 2, 4):
    grey = random(2**bits - 1, 3, 5)
    file(f"transparent{bits}.png", png(5, 3, bits, 0, bits_of(grey, bits), chunk(b"tRNS", struct.pack(">H", 1))))
    pixels(f"transparent{bits}.png", np.where(grey == 1, 1, grey / (2**bits - 1)))
colours = random(255, 3, 5, 3)
file("transparent-rgb.png", png(5, 3, 8, 2, colours.astype(np.uint8).tobytes(),
                                chunk(b"tRNS", struct.pack(">HHH", *colours[1, 2]))))
shown = colours / 255
shown[(colours == colours[1, 2]).all(-1)] = 1
pixels("transparent-rgb.png", shown)
small = Image.new("P", (4, 3))
small.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
small.putdata([0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 3, 3])
frame = io.BytesIO()
small.save(frame, "gif", transparency=2)
data = bytearray(frame.getvalue())
at = data.index(b"\x2c", data.index(b"\x21\xf9") + 8)
data[6:10] = struct.pack("<HH", 9, 8)
data[at + 1:at + 5] = struct.pack("<HH", 2, 4)
file("frame-in-canvas.gif", bytes(data))
canvas = np.ones((8, 9, 3))
canvas[4:7, 2:6] = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 1], [9 / 255] * 3])[np.asarray(small)]
pixels("frame-in-canvas.gif", canvas)
for kind, how in [("cmyk", dict(colorspace="CMYK", outcolorspace="CMYK")),
                  ("ycck", dict(colorspace="CMYK", outcolorspace="YCCK"))]:
    inks = np.concatenate([slope, 255 - slope[:, :, :1]], 2)
    data = imagecodecs.jpeg8_encode(inks, level=98, **how)
    file(f"{kind}.jpg", data)
    # Pillow undoes Adobe's inversion.
    seen = np.asarray(Image.open(io.BytesIO(data))) / 255
    pixels(f"{kind}.jpg", (1 - seen[:, :, :3]) * (1 - seen[:, :, 3:]), 0.06)
data = io.BytesIO()
Image.fromarray(slope).save(data, "jpeg", quality=98, keep_rgb=True, subsampling=0)
file("rgb.jpg", data.getvalue())
pixels("rgb.jpg", slope / 255, 0.06)
file("twelve-bit.jpg", imagecodecs.jpeg8_encode(slope[:, :, 0].astype(np.uint16) * 16, bitspersample=12))
refused("twelve-bit.jpg", "12-bit JPEG")
file("lossless.jpg", imagecodecs.ljpeg_encode(slope[:, :, 0].copy()))
refused("lossless.jpg", "lossless JPEG")

(here / "expect.json").write_text("[\n" + ",\n".join(json.dumps(e) for e in expected) + "\n]\n")
