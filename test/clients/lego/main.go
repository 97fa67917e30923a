// Command lego obtains one certificate by DNS-01 with lego and its Cloudflare
// provider, which reads CLOUDFLARE_BASE_URL and CLOUDFLARE_DNS_API_TOKEN. lego's own
// command is not taken because it links every provider that it has.
package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/certcrypto"
	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/lego"
	"github.com/go-acme/lego/v5/providers/dns/cloudflare"
	"github.com/go-acme/lego/v5/registration"
)

type account struct {
	key crypto.Signer
	reg *acme.ExtendedAccount
}

func (a *account) GetEmail() string                       { return "" }
func (a *account) GetRegistration() *acme.ExtendedAccount { return a.reg }
func (a *account) GetPrivateKey() crypto.Signer           { return a.key }

func main() {
	directory := flag.String("directory", "", "`URL` of the ACME server")
	resolver := flag.String("resolver", "", "DNS server, `ADDRESS:PORT`")
	flag.Parse()
	if err := obtain(*directory, *resolver, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "lego:", err)
		os.Exit(1)
	}
}

func obtain(directory, resolver string, domains []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	opts := dns01.NewOptions()
	opts.RecursiveNameservers = []string{resolver}
	dns01.SetDefaultClient(dns01.NewClient(opts))
	key, err := certcrypto.GeneratePrivateKey(certcrypto.EC256)
	if err != nil {
		return err
	}
	user := &account{key: key}
	client, err := lego.NewClient(func() *lego.Config { c := lego.NewConfig(user); c.CADirURL = directory; return c }())
	if err != nil {
		return err
	}
	provider, err := cloudflare.NewDNSProvider()
	if err != nil {
		return err
	}
	// The check of the name servers by name wants port 53.
	if err := client.Challenge.SetDNS01Provider(provider, dns01.DisableAuthoritativeNssPropagationRequirement()); err != nil {
		return err
	}
	if user.reg, err = client.Registration.Register(ctx, registration.RegisterOptions{TermsOfServiceAgreed: true}); err != nil {
		return err
	}
	res, err := client.Certificate.Obtain(ctx, certificate.ObtainRequest{Domains: domains, KeyType: certcrypto.EC256, Bundle: true})
	if err != nil {
		return err
	}
	block, _ := pem.Decode(res.Certificate)
	if block == nil {
		return fmt.Errorf("no certificate in %q", res.Certificate)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	for _, d := range domains {
		if err := leaf.VerifyHostname(d); err != nil {
			return err
		}
	}
	fmt.Println("certificate for", leaf.DNSNames, "from", leaf.Issuer.CommonName)
	return nil
}
