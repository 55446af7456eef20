package matrix

import (
	"path"
	"strings"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
)

// captionMax, in characters, keeps an event below the 65,536 bytes that it may have.
const captionMax = 10_000

// Traits are what Matrix takes: any file. How large one may be, each homeserver says for itself (UploadLimit).
func Traits() destination.Traits {
	return destination.Traits{Name: "Matrix", CaptionMax: captionMax, Accepts: typeOf}
}

// typeOf tells how a file is shown, by its name. An image is what clients show as one, so that others are files that can be opened.
func typeOf(name string) (media.Type, bool) {
	if t, known := media.ByName(name); known {
		return t, true
	}
	ext := strings.ToLower(path.Ext(name))
	kind, mime := byExtension(ext)
	if mime == "" {
		return media.Type{Ext: ext, Kind: media.Document, MIME: "application/octet-stream", Guess: true}, true
	}
	return media.Type{Ext: ext, Kind: kind, MIME: mime}, true
}

// byExtension gives "" for an extension that it does not know. The types are those of IANA where it has one.
func byExtension(ext string) (kind media.Kind, mime string) {
	for _, of := range []struct {
		kind  media.Kind
		types string // extension and type, one behind the other
	}{
		{media.Image, ".gif image/gif .webp image/webp .avif image/avif .apng image/apng"},
		{media.Audio, ".ogg audio/ogg .oga audio/ogg .opus audio/ogg .m4a audio/mp4 .aac audio/aac .flac audio/flac .aif audio/aiff .aiff audio/aiff " +
			".amr audio/AMR .wma audio/x-ms-wma"},
		{media.Video, ".m4v video/mp4 .3gp video/3gpp .mov video/quicktime .webm video/webm .mkv video/matroska .avi video/vnd.avi .mpg video/mpeg " +
			".mpeg video/mpeg .ogv video/ogg .wmv video/x-ms-wmv .mts video/mp2t"},
		{media.Document, ".txt text/plain .log text/plain .md text/markdown .csv text/csv .tsv text/tab-separated-values .ini text/plain .conf text/plain " +
			".html text/html .htm text/html .ics text/calendar .vcf text/vcard .json application/json .geojson application/geo+json .xml application/xml " +
			".yaml application/yaml .yml application/yaml .toml application/toml .sql application/sql .gpx application/gpx+xml " +
			".kml application/vnd.google-earth.kml+xml .kmz application/vnd.google-earth.kmz .eml message/rfc822 .msg application/vnd.ms-outlook " +
			".rtf application/rtf .epub application/epub+zip .ps application/postscript .eps application/postscript .ai application/postscript"},
		{media.Document, ".odt application/vnd.oasis.opendocument.text .ods application/vnd.oasis.opendocument.spreadsheet " +
			".odp application/vnd.oasis.opendocument.presentation .odg application/vnd.oasis.opendocument.graphics " +
			".docm application/vnd.ms-word.document.macroEnabled.12 .xlsm application/vnd.ms-excel.sheet.macroEnabled.12 " +
			".xlsb application/vnd.ms-excel.sheet.binary.macroEnabled.12 .pptm application/vnd.ms-powerpoint.presentation.macroEnabled.12 " +
			".ppsx application/vnd.openxmlformats-officedocument.presentationml.slideshow .vsd application/vnd.visio .vsdx application/vnd.ms-visio.drawing " +
			".pages application/vnd.apple.pages .numbers application/vnd.apple.numbers .key application/vnd.apple.keynote"},
		{media.Document, ".zip application/zip .7z application/x-7z-compressed .rar application/vnd.rar .tar application/x-tar .gz application/gzip " +
			".tgz application/gzip .bz2 application/x-bzip2 .xz application/x-xz .zst application/zstd"},
		{media.Document, ".svg image/svg+xml .tif image/tiff .tiff image/tiff .bmp image/bmp .heic image/heic .heif image/heif .jxl image/jxl " +
			".jp2 image/jp2 .psd image/vnd.adobe.photoshop .dng image/dng .dcm application/dicom .dwg image/vnd.dwg .dxf image/vnd.dxf " +
			".stl model/stl .step model/step .stp model/step .ifc application/x-step .obj model/obj .3mf model/3mf"},
		{media.Document, ".p7m application/pkcs7-mime .p7s application/pkcs7-signature .asc application/pgp-signature .sig application/pgp-signature " +
			".cer application/pkix-cert .crt application/x-x509-ca-cert"},
	} {
		fields := strings.Fields(of.types)
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == ext {
				return of.kind, fields[i+1]
			}
		}
	}
	return "", ""
}
