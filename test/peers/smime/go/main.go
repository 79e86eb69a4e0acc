// Command smimereader reads S/MIME with smallstep/pkcs7.
//
//	verify  root.pem content signature.der        prints the subject of the signer
//	decrypt key.pem certificate.pem message.der   prints the content
package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/smallstep/pkcs7"
)

func main() {
	output, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(output)
}

func run(args []string) ([]byte, error) {
	if len(args) != 4 {
		return nil, errors.New("want a command and three files")
	}
	var files [3][]byte
	for index, name := range args[1:] {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files[index] = content
	}
	message, err := pkcs7.Parse(files[2])
	if err != nil {
		return nil, err
	}
	switch args[0] {
	case "verify":
		return verify(message, files[0], files[1])
	case "decrypt":
		return decrypt(message, files[0], files[1])
	}
	return nil, fmt.Errorf("unknown command %q", args[0])
}

func verify(message *pkcs7.PKCS7, root, content []byte) ([]byte, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		return nil, errors.New("the root is not a certificate")
	}
	message.Content = content
	if err := message.VerifyWithChain(roots); err != nil {
		return nil, err
	}
	signer := message.GetOnlySigner()
	if signer == nil {
		return nil, errors.New("there is not exactly one signer")
	}
	return []byte(signer.Subject.String() + "\n"), nil
}

func decrypt(message *pkcs7.PKCS7, keyPEM, certificatePEM []byte) ([]byte, error) {
	keyBlock, _ := pem.Decode(keyPEM)
	certificateBlock, _ := pem.Decode(certificatePEM)
	if keyBlock == nil || certificateBlock == nil {
		return nil, errors.New("the key or the certificate is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(certificateBlock.Bytes)
	if err != nil {
		return nil, err
	}
	return message.Decrypt(certificate, key)
}
