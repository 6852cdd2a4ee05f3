package receiver

import (
	"mime"
	"net/http"
	"strings"
)

// version is a version of the remote-write protocol.
type version string

const (
	version1 version = "1.0"
	version2 version = "2.0"
)

// The media type of both versions, and the message names that tell them apart.
const (
	mediaType = "application/x-protobuf"
	messageV1 = "prometheus.WriteRequest"
	messageV2 = "io.prometheus.write.v2.Request"
)

// versionOf negotiates by the request's headers. Senders from before there was
// anything to negotiate leave out a header or the proto parameter and mean 1.0
// in snappy.
//
// Source: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/#protocol.
func versionOf(h http.Header) (version, error) {
	if e := strings.Join(h.Values("Content-Encoding"), ", "); e != "" && !strings.EqualFold(e, "snappy") {
		return "", errEncoding
	}
	ct := h.Get("Content-Type")
	switch ct { // what senders do send
	case "", mediaType:
		return version1, nil
	case mediaType + ";proto=" + messageV2:
		return version2, nil
	}
	media, params, err := mime.ParseMediaType(ct)
	if err != nil || media != mediaType {
		return "", errContentType
	}
	switch params["proto"] {
	case "", messageV1:
		return version1, nil
	case messageV2:
		return version2, nil
	default:
		return "", errContentType
	}
}
