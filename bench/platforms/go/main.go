// A net/http server that requires a client certificate. With "guarded" it also authenticates the caller's SPIFFE ID by
// go-spiffe and checks it against a list for each path. It runs in a folder with key.pem, cert.pem and ca.pem, and prints
// its port.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

const path = "/internal/billing/invoices"

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, answer)
	var handler http.Handler = mux
	load := loadBare
	if len(os.Args) > 1 && os.Args[1] == "guarded" {
		load = loadGuarded
		handler = guard(mux)
	}
	config, err := load()
	if err != nil {
		log.Fatal(err)
	}
	config.MinVersion = tls.VersionTLS13
	config.NextProtos = []string{"http/1.1"}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("port %d\n", listener.Addr().(*net.TCPAddr).Port)
	server := &http.Server{Handler: handler}
	log.Fatal(server.Serve(tls.NewListener(listener, config)))
}

func loadBare() (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile("ca.pem")
	if err != nil {
		return nil, err
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca.pem: found no certificate")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		ClientCAs:    authorities,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}, nil
}

func loadGuarded() (*tls.Config, error) {
	svid, err := x509svid.Load("cert.pem", "key.pem")
	if err != nil {
		return nil, err
	}
	trustDomain := svid.ID.TrustDomain()
	bundle, err := x509bundle.Load(trustDomain, "ca.pem")
	if err != nil {
		return nil, err
	}
	return tlsconfig.MTLSServerConfig(svid, bundle, tlsconfig.AuthorizeMemberOf(trustDomain)), nil
}

var lists = map[string]map[spiffeid.ID]bool{
	path: {spiffeid.RequireFromString("spiffe://saas.example/ns/production/sa/core-api"): true},
}

func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if !isListed(request) {
			http.Error(response, "Forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(response, request)
	})
}

func isListed(request *http.Request) bool {
	if request.TLS == nil || len(request.TLS.PeerCertificates) == 0 {
		return false
	}
	id, err := x509svid.IDFromCert(request.TLS.PeerCertificates[0])
	return err == nil && lists[request.URL.Path][id]
}

func answer(response http.ResponseWriter, _ *http.Request) {
	body, err := json.Marshal(map[string][]string{"invoices": {}})
	if err != nil {
		http.Error(response, "Internal Server Error", http.StatusInternalServerError)
		return
	}
	response.Header().Set("Content-Type", "application/json; charset=utf-8")
	response.Write(body)
}
