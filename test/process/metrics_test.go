package process

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/keyutil"
)

var _ = Describe("The metrics endpoint", func() {
	It("answers 401, and not that it has failed itself, to whom the API server does not know", func() {
		installed()
		clients, err := kubernetes.NewForConfig(plane.Config)
		Expect(err).NotTo(HaveOccurred())
		known, gone := &corev1.ServiceAccount{}, &corev1.ServiceAccount{}
		known.Name, gone.Name = "scraper", "scraper-that-is-gone"
		for _, account := range []*corev1.ServiceAccount{known, gone} {
			account.Namespace = corev1.NamespaceDefault
			Expect(admin.Create(ctx, account)).To(Succeed())
		}
		token := func(account *corev1.ServiceAccount, audiences ...string) string {
			GinkgoHelper()
			review, err := clients.CoreV1().ServiceAccounts(account.Namespace).CreateToken(ctx, account.Name,
				&authenticationv1.TokenRequest{
					Spec: authenticationv1.TokenRequestSpec{Audiences: audiences},
				}, metav1.CreateOptions{})
			Expect(err).NotTo(HaveOccurred())
			return review.Status.Token
		}
		valid, revoked, elsewhere := token(known), token(gone), token(known, "https://vault.example.com")
		Expect(admin.Delete(ctx, gone)).To(Succeed())
		expired, future := againFrom(valid, time.Now().Add(-time.Hour)), againFrom(valid, time.Now().Add(time.Hour))

		p := started(kubeconfig, "--leader-elect=false")
		Eventually(p.ready).Should(Equal(http.StatusOK))
		url := "https://" + p.metrics + "/metrics"
		Eventually(
			status(url, "Bearer "+valid),
		).Should(Equal(http.StatusForbidden), "the API server knows it, and permits it nothing")
		Expect(status(url, "Bearer "+future)()).To(Equal(http.StatusForbidden), "the test signs as the API server does")
		for name, header := range map[string]string{
			"an empty bearer":                           "Bearer ",
			"a bearer of spaces":                        "Bearer    ",
			"garbage":                                   "Bearer garbage",
			"what has the form of a token":              "Bearer " + strings.Repeat("a.", 2) + "b",
			"a token whose signature is wrong":          "Bearer " + valid[:len(valid)-8] + "AAAAAAAA",
			"a token that is cut":                       "Bearer " + valid[:len(valid)/2],
			"a token that is expired":                   "Bearer " + expired,
			"a token of a service account that is gone": "Bearer " + revoked,
			"a token for another audience":              "Bearer " + elsewhere,
			"Basic authentication":                      "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:admin")),
			"a token that is called Basic":              "Basic " + valid,
			"a token without a scheme":                  valid,
		} {
			Expect(status(url, header)()).To(Equal(http.StatusUnauthorized), name)
		}
		Expect(string(p.said().Contents())).NotTo(ContainSubstring("It is not known who asks for metrics"),
			"who knocks does not fill the log with errors")
	})
})

// status is what the URL answers to a request with that Authorization header.
func status(url, header string) func() int {
	return func() int {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		Expect(err).NotTo(HaveOccurred())
		request.Header.Set("Authorization", header)
		response, err := insecure.Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close()
		return response.StatusCode
	}
}

// againFrom is the token of a service account with another time of expiry, signed with the API
// server's own key.
func againFrom(token string, expires time.Time) string {
	GinkgoHelper()
	parts := strings.Split(token, ".")
	Expect(parts).To(HaveLen(3))
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	Expect(err).NotTo(HaveOccurred())
	claims := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber()
	Expect(decoder.Decode(&claims)).To(Succeed())
	claims["iat"], claims["nbf"] = expires.Add(-2*time.Hour).Unix(), expires.Add(-2*time.Hour).Unix()
	claims["exp"] = expires.Unix()
	payload, err = json.Marshal(claims)
	Expect(err).NotTo(HaveOccurred())
	signed := parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload)
	digest := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, signingKey(), digest[:])
	Expect(err).NotTo(HaveOccurred())
	signature := make([]byte, 64) // Of ES256: both numbers, 32 bytes each.
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// signingKey is the key by which the API server signs the tokens of service accounts.
func signingKey() *ecdsa.PrivateKey {
	GinkgoHelper()
	pid, err := plane.PID("kube-apiserver")
	Expect(err).NotTo(HaveOccurred())
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	Expect(err).NotTo(HaveOccurred())
	for _, argument := range strings.Split(string(cmdline), "\x00") {
		file, found := strings.CutPrefix(argument, "--service-account-signing-key-file=")
		if !found {
			continue
		}
		data, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		parsed, err := keyutil.ParsePrivateKeyPEM(data)
		Expect(err).NotTo(HaveOccurred())
		key, ok := parsed.(*ecdsa.PrivateKey)
		Expect(ok).To(BeTrue(), "%T", parsed)
		return key
	}
	Fail("the API server was started without a key to sign with")
	return nil
}
