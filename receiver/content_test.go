package receiver

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContentNegotiation(t *testing.T) {
	for _, tc := range []struct {
		contentType, encoding string
		version               version // none: refused
	}{
		{"", "", version1},
		{"", "snappy", version1},
		{"application/x-protobuf", "", version1},
		{"application/x-protobuf", "snappy", version1},
		{"application/x-protobuf", "Snappy", version1},
		{"application/x-protobuf;", "snappy", version1},
		{"application/x-protobuf; charset=utf-8", "snappy", version1},
		{"application/x-protobuf;proto=prometheus.WriteRequest", "snappy", version1},
		{"application/x-protobuf; proto=prometheus.WriteRequest", "snappy", version1},
		{"APPLICATION/X-PROTOBUF; PROTO=prometheus.WriteRequest", "SNAPPY", version1},
		{`application/x-protobuf;proto="prometheus.WriteRequest"`, "snappy", version1},
		{`application/x-protobuf;proto=""`, "snappy", version1},
		{"application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", version2},
		{"application/x-protobuf;proto=io.prometheus.write.v2.Request", "", version2},
		{"application/x-protobuf;charset=utf-8;proto=io.prometheus.write.v2.Request", "snappy", version2},
		{"application/x-protobuf;proto=io.prometheus.write.v2.Request;charset=utf-8", "snappy", version2},
		{`Application/X-Protobuf ; Charset=utf-8 ; Proto="io.prometheus.write.v2.Request" `, "snappy", version2},

		{"application/x-protobuf;proto=IO.PROMETHEUS.WRITE.V2.REQUEST", "snappy", ""}, // a message's name has its case
		{"application/x-protobuf;proto=io.prometheus.write.v3.Request", "snappy", ""},
		{"application/x-protobuf;proto=io.prometheus.write.v2.Request;proto=prometheus.WriteRequest", "snappy", ""},
		{"application/x-protobuf;proto=", "snappy", ""},
		{"application/protobuf", "snappy", ""},
		{"application/json", "snappy", ""},
		{"text/plain", "", ""},
		{"*/*", "", ""},
		{";proto=io.prometheus.write.v2.Request", "snappy", ""},
		{"application/x-protobuf", "gzip", ""},
		{"application/x-protobuf", "zstd", ""},
		{"application/x-protobuf", "identity", ""},
		{"application/x-protobuf", "snappy, gzip", ""},
		{"", "gzip", ""},
	} {
		t.Run(tc.contentType+" "+tc.encoding, func(t *testing.T) {
			s := serve(t, startRun(t), Options{})
			header := []string{}
			if tc.contentType != "" {
				header = append(header, "Content-Type", tc.contentType)
			}
			if tc.encoding != "" {
				header = append(header, "Content-Encoding", tc.encoding)
			}
			v := tc.version
			if v == "" {
				v = version1
			}
			a := s.do(http.MethodPost, "/api/v1/write", bytes.NewReader(encode(t, v, float("a", 1, 2))), header...)
			switch tc.version {
			case "":
				require.Equal(t, http.StatusUnsupportedMediaType, a.status)
				require.Contains(t, []string{errContentType.Error() + "\n", errEncoding.Error() + "\n"}, a.body)
				require.Empty(t, a.written())
				require.Zero(t, s.status().Received)
				return
			case version1:
				require.Empty(t, a.written())
			case version2:
				require.Equal(t, []string{"2", "0", "0"}, a.written())
			}
			require.Equal(t, http.StatusNoContent, a.status)
			require.EqualValues(t, 2, s.status().Written)
		})
	}
}
