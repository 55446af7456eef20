#!/bin/bash
# make.sh [OUTDIR] draws, writes, plays and films every file of files/ anew. Nothing runs it by itself: the files are
# kept, and other versions of the tools make other bytes of the same look.
#
#   apt-get install --no-install-recommends ffmpeg file fonts-urw-base35 fonts-liberation ghostscript imagemagick \
#     libreoffice-calc libreoffice-impress libreoffice-writer python3
set -euo pipefail
out=$(realpath -m "${1:-$(dirname "$0")/files}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cd "$work"
draw() { command -p convert "${@:1:$#-1}" -strip "${@: -1}"; } # ImageMagick's convert

# ridge SEED BASE HEIGHT: a polygon of hills across 1600 pixels, BASE from the top.
ridge() {
  awk -v seed="$1" -v base="$2" -v h="$3" 'BEGIN {
    printf "0,800 "
    for (x = 0; x <= 1600; x += 4)
      printf "%d,%.1f ", x, base - h * (sin(x/211+seed) + .55*sin(x/83+2.3*seed) + .25*sin(x/31+seed*seed) + .08*sin(x/7+seed))
    print "1600,800" }'
}

# crane X Y COLOUR: the drawing commands of a tower crane whose mast stands at X and whose jib hangs at height Y.
crane() {
  local x=$1 y=$2
  echo "stroke $3 stroke-width 5 fill none line $x,800 $x,$((y-60)) line $((x+22)),800 $((x+22)),$((y-60))"
  echo "stroke-width 4 line $((x-150)),$y $((x+480)),$y line $((x-150)),$((y-22)) $((x+480)),$((y-22))"
  echo "stroke-width 2 line $((x+11)),$((y-95)) $((x+460)),$((y-22)) line $((x+11)),$((y-95)) $((x-140)),$((y-22))"
  echo "line $((x+350)),$y $((x+350)),$((y+190)) fill $3 rectangle $((x-150)),$y $((x-95)),$((y+42))"
  echo "rectangle $((x+315)),$((y+190)) $((x+385)),$((y+206)) rectangle $((x-8)),$((y-100)) $((x+30)),$((y-60))"
  local i
  for ((i = y; i < 800; i += 44)); do echo "line $x,$i $((x+22)),$((i+44)) line $((x+22)),$i $x,$((i+44))"; done
  for ((i = x-140; i < x+470; i += 30)); do echo "line $i,$y $((i+15)),$((y-22)) line $((i+15)),$((y-22)) $((i+30)),$y"; done
}

# scene SKY_TOP SKY_LOW SUN_X SUN_Y SUN FAR NEAR GROUND CRANE_X SEED FILE: a building site under a sky, 1600 x 800.
scene() {
  draw -size 1600x800 "gradient:$1-$2" -seed "$9$9" \
    \( -size 400x100 plasma:fractal -colorspace gray -resize 1600x800\! -blur 0x6 -level 45%,95% -evaluate multiply .35 \) \
    -compose screen -composite \
    \( -size 900x900 "radial-gradient:$5-black" \) -geometry "+$(($3-450))+$(($4-450))" -compose screen -composite \
    -compose over -fill "$6" -draw "polygon $(ridge "${10}" 520 60)" -blur 0x2 \
    -fill "$7" -draw "polygon $(ridge 4.2 610 34)" -blur 0x1 \
    -fill "$8" -draw "polygon $(ridge 7.7 715 12)" \
    -draw "$(crane "$9" 250 "$8")" \
    -fill "$8" -stroke "$8" -draw "rectangle 1010,560 1290,800 rectangle 1040,500 1200,560" \
    -fill "$2" -stroke none -draw "$(for i in 0 1 2 3 4; do for j in 0 1 2; do
        echo "rectangle $((1030+i*52)),$((580+j*62)) $((1056+i*52)),$((612+j*62))"; done; done)" \
    -attenuate .12 +noise Gaussian -blur 0x.5 "${11}"
}
scene '#2c4a7c' '#f6c48a' 1130 500 '#ffdf9e' '#7f7f9c' '#4b4a63' '#23222e' 520 1.1 dawn.png
scene '#2f7fc4' '#d6ecf7' 400 130 '#fffbe0' '#8fb0a8' '#5f8a62' '#3a4a33' 700 2.6 noon.png
scene '#1b1540' '#e2604a' 760 560 '#ffb070' '#6b3a63' '#3c2145' '#160f22' 330 3.9 dusk.png

# Three photographs of the site. They go by three spellings of the extension.
draw dawn.png -gravity south -crop 1200x800+0+0 +repage -resize 720x480 -quality 68 "$out/dawn.jpg"
draw noon.png -gravity south -crop 1200x800+0+0 +repage -resize 720x480 -quality 68 "$out/noon.jpeg"
draw dusk.png -gravity south -crop 1200x800+0+0 +repage -resize 720x480 -quality 68 "$out/dusk.jpg"

# The plan of a small office: walls, doors, names.
draw -size 720x460 xc:white -fill none -stroke '#33415c' -strokewidth 7 \
  -draw 'rectangle 40,40 680,420 line 280,40 280,300 line 40,230 280,230 line 480,40 480,200 line 480,260 480,420 line 280,300 380,300 line 440,300 480,300' \
  -stroke white -strokewidth 9 -draw 'line 280,80 280,130 line 280,250 280,285 line 560,420 630,420 line 480,70 480,120' \
  -stroke '#8d99ae' -strokewidth 2 -draw 'path "M 280,80 L 330,80 A 50,50 0 0 1 280,130" path "M 560,420 L 560,350 A 70,70 0 0 1 630,420" path "M 480,70 L 430,70 A 50,50 0 0 0 480,120"' \
  -fill '#dbe7f3' -draw 'roundrectangle 70,70 170,120 6,6 roundrectangle 70,330 210,390 6,6 roundrectangle 520,80 640,160 40,40 roundrectangle 320,340 440,390 6,6' \
  -stroke none -fill '#33415c' -font Liberation-Sans -pointsize 22 \
  -draw 'text 96,180 "Office 1" text 96,290 "Office 2" text 330,180 "Reception" text 522,220 "Meeting room" text 515,310 "Entrance" text 310,328 "Kitchen"' \
  -colors 32 -define png:compression-level=9 PNG8:"$out/plan.png"

# Documents on paper. \334 and \374 are Latin-1.
paper() { # FILE TITLE LINE...: a page of PostScript, turned into PDF without dates or ids
  {
    cat <<'PS'
%!PS
/latin { findfont dup length dict begin { 1 index /FID ne { def } { pop pop } ifelse } forall
  /Encoding ISOLatin1Encoding def currentdict end definefont pop } def
/Sans /Helvetica latin /Bold /Helvetica-Bold latin
PS
    cat
    echo showpage
  } | gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite -sPAPERSIZE=a4 -dOmitInfoDate=true -dOmitXMP=true -dOmitID=true \
    -sOutputFile="$1" -
}
paper "$out/invoice.pdf" <<'PS'
.2 .25 .36 setrgbcolor 0 790 595 52 rectfill
1 setgray /Bold 20 selectfont 56 808 moveto (Hillside Timber & Tools) show
0 setgray /Bold 17 selectfont 56 720 moveto (Invoice 2026-0417) show
/Sans 11 selectfont 56 690 moveto (For: Reception, Building 2) show 56 674 moveto (Due within 30 days) show
/row { /y exch def /Sans 11 selectfont 56 y moveto show 360 y moveto show 540 1 index stringwidth pop sub y moveto show
  .8 setgray 56 y 7 sub 484 .7 rectfill 0 setgray } def
(Amount) (Pieces) (Item) 620 row (148.00) (4) (Oak shelf, 120 cm) 590 row (36.50) (1) (Box of screws, 5 x 60) 565 row
(212.00) (2) (Folding ladder) 540 row (24.00) (12) (Work gloves) 515 row
/Bold 13 selectfont 360 480 moveto (Total) show 540 (420.50) stringwidth pop sub 480 moveto (420.50) show
/Sans 9 selectfont .4 setgray 56 60 moveto (A made-up invoice of a made-up company: a sample to try a drop folder with.) show
PS
paper "$out/overview.pdf" <<'PS'
.85 .9 .95 setrgbcolor 56 380 484 320 rectfill
0 setgray /Bold 20 selectfont 56 740 moveto (B\374ro ) show /endash glyphshow ( \334bersicht 2026) show
/Sans 12 selectfont 80 660 moveto (Empfang: Montag bis Freitag, 8 bis 17 Uhr) show
80 630 moveto (Gro\337er Besprechungsraum: 12 Pl\344tze, Leinwand) show
80 600 moveto (K\374che: bitte die Sp\374lmaschine abends einschalten) show
80 570 moveto (Schl\374ssel: zur\374ck in den Kasten am Eingang) show
PS

# Documents of an office suite, in the old formats and the new.
cat > letter.html <<'HTML'
<html><head><meta charset="utf-8"><title>Visitors this week</title></head><body style="font-family: Liberation Sans">
<h1>Visitors this week</h1><p>Please have a badge ready for each guest and offer coffee.</p>
<ul><li>Monday, 9:00: the fire inspector</li><li>Wednesday, 14:30: two guests of the lab</li>
<li>Friday, 11:00: the school class from next door (22 pupils)</li></ul><p>Thank you!</p></body></html>
HTML
cat > stock.csv <<'CSV'
Article,Shelf,Stock,Reorder at
Pump seal 40 mm,A1,18,10
Filter cartridge,A2,6,8
Sample bottle 250 ml,B1,140,60
pH test strips,B2,9,5
Safety goggles,C1,25,12
CSV
page() { echo "<draw:page draw:name='$1' draw:master-page-name='Default'><draw:frame draw:style-name='bare' svg:width='22cm' svg:height='3cm' svg:x='3cm' svg:y='2cm'><draw:text-box><text:p><text:span text:style-name='big'>$2</text:span></text:p></draw:text-box></draw:frame><draw:frame draw:style-name='bare' svg:width='22cm' svg:height='8cm' svg:x='3cm' svg:y='6cm'><draw:text-box><text:p><text:span text:style-name='text'>$3</text:span></text:p><text:p><text:span text:style-name='text'>$4</text:span></text:p></draw:text-box></draw:frame></draw:page>"; }
cat > safety.fodp <<XML
<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0" xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0" office:version="1.2" office:mimetype="application/vnd.oasis.opendocument.presentation">
<office:automatic-styles><style:page-layout style:name="L"><style:page-layout-properties fo:page-width="28cm" fo:page-height="15.75cm"/></style:page-layout>
<style:style style:name="big" style:family="text"><style:text-properties fo:font-size="36pt" fo:font-weight="bold" fo:color="#33415c"/></style:style>
<style:style style:name="text" style:family="text"><style:text-properties fo:font-size="24pt"/></style:style>
<style:style style:name="bare" style:family="graphic"><style:graphic-properties draw:fill="none" draw:stroke="none"/></style:style></office:automatic-styles>
<office:master-styles><style:master-page style:name="Default" style:page-layout-name="L"/></office:master-styles>
<office:body><office:presentation>$(page one 'Safe in the lab' 'Goggles on, hair tied back.' 'Know where the eye wash is.')$(page two 'When something spills' 'Tell the others first.' 'Then the yellow box beside the door.')</office:presentation></office:body></office:document>
XML
office() { soffice --headless -env:UserInstallation="file://$work/profile" --convert-to "$@" >/dev/null; }
office docx:'MS Word 2007 XML' --infilter='HTML (StarWriter)' letter.html
office doc:'MS Word 97' --infilter='HTML (StarWriter)' letter.html
office xlsx stock.csv
office xls:'MS Excel 97' stock.csv
office pptx safety.fodp
office ppt:'MS PowerPoint 97' safety.fodp
cp letter.doc stock.xls "$out"
python3 - safety.ppt "$out/safety.ppt" <<'PY'
# The old PowerPoint file carries a picture of itself, forty times its own size. The stream that holds it
# (\005SummaryInformation) is cut to one property, and the sectors that are left are numbered anew ([MS-CFB], 2.1 to 2.6).
import struct, sys
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
old = open(sys.argv[1], "rb").read()
head = bytearray(old[:512])
sectors = [bytearray(old[i:i + 512]) for i in range(512, len(old), 512)]
u32 = lambda b, at: struct.unpack_from("<I", b, at)[0]
fat = [e for i in range(u32(head, 44)) for e in struct.unpack("<128I", sectors[u32(head, 76 + 4 * i)])]
def chain(at):
    while at < FAT:
        yield at
        at = fat[at]
props = struct.pack("<HHI16xI", 0xFFFE, 0, 0x00020105, 1) + bytes.fromhex("e0859ff2f94f6810ab9108002b27b3d9") + \
    struct.pack("<I II II I I", 48, 24, 1, 1, 16, 2, 1252)
props = props.ljust(4096, b"\0")  # a shorter stream would have to live in the mini stream
entries = [(s, at) for s in chain(u32(head, 48)) for at in range(0, 512, 128)]
for s, at in entries:
    size = struct.unpack_from("<H", sectors[s], at + 64)[0]
    if sectors[s][at:at + size - 2].decode("utf-16le") == "\5SummaryInformation":
        kept = list(chain(u32(sectors[s], at + 116)))
        struct.pack_into("<Q", sectors[s], at + 120, len(props))
for i, s in enumerate(kept):
    sectors[s][:] = props[i * 512:(i + 1) * 512]
    fat[s] = fat[s] if i < 7 else END if i == 7 else FREE
used = [s for s in range(len(sectors)) if fat[s] not in (FREE, FAT)]
assert len(used) < 127
new = {s: i for i, s in enumerate(used)}
new[END], new[FREE] = END, FREE
for s, at in entries:
    if sectors[s][at + 66] == 5 or u32(sectors[s], at + 120) >= 4096:  # others count in the mini stream
        struct.pack_into("<I", sectors[s], at + 116, new[u32(sectors[s], at + 116)])
for at in (48, 60, 68):
    struct.pack_into("<I", head, at, new[u32(head, at)])
struct.pack_into("<I", head, 44, 1)
struct.pack_into("<109I", head, 76, len(used), *[FREE] * 108)
table = [new[fat[s]] for s in used] + [FAT]
out = head + b"".join(sectors[s] for s in used) + struct.pack("<128I", *table, *[FREE] * (128 - len(table)))
open(sys.argv[2], "wb").write(out)
PY
python3 - "$out" letter.docx stock.xlsx safety.pptx <<'PY'
# Packs the parts again without the dates and the name of the program that wrote them.
import re, sys, zipfile
for name in sys.argv[2:]:
    with zipfile.ZipFile(name) as old, zipfile.ZipFile(f"{sys.argv[1]}/{name}", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new:
        for part in old.infolist():
            data = old.read(part)
            if part.filename == "docProps/app.xml":
                data = re.sub(rb"<Application>.*?</Application>|<AppVersion>.*?</AppVersion>", b"", data)
            if part.filename == "docProps/core.xml":
                data = re.sub(rb"<dcterms:(created|modified).*?</dcterms:\1>", b"", data)
            info = zipfile.ZipInfo(part.filename)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, data)
PY

# A melody: plucked notes that ring and fade.
notes="523.25 659.25 783.99 1046.5 880 783.99 659.25 783.99"
tune=0 at=0
for hz in $notes; do
  tune+="+gte(t,$at)*.3*exp(-5*(t-$at))*(sin(2*PI*$hz*(t-$at))+.3*sin(4*PI*$hz*(t-$at)))"
  at=$(awk "BEGIN{print $at+.22}")
done
film() { ffmpeg -nostdin -v error -y "$@"; }
clean=(-map_metadata -1 -fflags +bitexact -flags:a +bitexact -flags:v +bitexact)
film -f lavfi -i "aevalsrc='$tune':s=44100:d=2.4" tune.wav
film -i tune.wav -t 1.8 -ar 11025 -ac 1 -c:a pcm_s16le "${clean[@]}" "$out/chime.wav"
film -i tune.wav -ar 44100 -ac 1 -c:a libmp3lame -b:a 40k -id3v2_version 0 -write_xing 0 "${clean[@]}" "$out/melody.mp3"

# Two films: the camera turns across the site. H.264 with AAC, what every browser and telephone plays.
pan() { # PICTURE WIDTH HEIGHT RATE ARGS...
  film -loop 1 -framerate "$4" -i "$1" -i tune.wav -t 2 \
    -vf "scale=-2:$3*1.25,crop=$2:$3:x='(iw-ow)*(.5-.5*cos(PI*t/2))':y='ih-oh',format=yuv420p" \
    -c:v libx264 -preset veryslow -bsf:v 'filter_units=remove_types=6' -c:a aac -ac 1 -b:a 24k -ar 22050 "${clean[@]}" "${@:5}"
}
pan dusk.png 480 270 25 -profile:v main -crf 33 -movflags +faststart -f mp4 "$out/site.mp4"
pan noon.png 176 144 15 -profile:v baseline -crf 30 -f 3gp "$out/gate.3gpp"

echo 'These notes stay where they are: Kaizala takes no text files.' > "$out/notes.txt"
file "$out"/*
du -bc "$out"/*
