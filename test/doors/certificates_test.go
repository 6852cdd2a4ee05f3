package doors

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/benchkeep/benchkeep/test/harness"
)

// An authority issues certificates for the test.
type authority struct {
	t    *testing.T
	dir  string
	name string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// File is the authority's own certificate.
	File string
}

// newAuthority makes a certificate authority whose files lie below dir.
func newAuthority(t *testing.T, dir, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir, name: name}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	a.cert, a.key = template, nil
	der, key := a.sign(template)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("parse certificate: %v", err)
	}
	a.cert, a.key = cert, key
	a.File = a.write(name+".pem", "CERTIFICATE", der)
	return a
}

// issue makes a certificate for a loopback server or a client, and gives its
// certificate and key files.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	der, key := a.sign(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatalf("encode key: %v", err)
	}
	return a.write(a.name+"-"+name+".pem", "CERTIFICATE", der), a.write(a.name+"-"+name+".key", "PRIVATE KEY", private)
}

// sign makes a key and a certificate for it; without a key of its own yet, the
// authority's own.
func (a *authority) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatalf("make key: %v", err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatalf("make certificate: %v", err)
	}
	return der, key
}

func (a *authority) write(file, kind string, der []byte) string {
	return harness.WriteFile(a.t, a.dir, file, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// client trusts the authority. With a certificate's files it shows that; with
// http2 it speaks that where the server does.
func (a *authority) client(http2 bool, certificate ...string) *http.Client {
	a.t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(a.cert)
	if len(certificate) == 2 {
		pair, err := tls.LoadX509KeyPair(certificate[0], certificate[1])
		if err != nil {
			a.t.Fatalf("load certificate: %v", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: harness.Patience}
}
