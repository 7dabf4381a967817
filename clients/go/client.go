package gradwire

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultTimeout   = 30 * time.Second
	defaultRetries   = 3
	keptConnections  = 64
	patienceToGoOn   = time.Second // for a server that says nothing to Expect: 100-continue
	tlsPatience      = 10 * time.Second
	idleConnections  = 90 * time.Second
	mostHeaderBytes  = 1 << 16
	largeBodyBytes   = 1 << 15 // from here on the service is asked before a body is sent
	longestTimeoutMs = 999_999_999
)

// Client asks one service. It keeps its connections, and may be used by many goroutines at once.
type Client struct {
	url     string // without a slash at its end
	shown   string // the same without a password
	key     string
	timeout time.Duration
	retries int
	form    Form
	http    *http.Client
}

// Option is a setting of New.
type Option func(*Client)

// WithKey sends an API key, as Authorization: Bearer.
func WithKey(key string) Option { return func(client *Client) { client.key = key } }

// WithTimeout is how long a whole call may take, retries and the waits between them included; by default 30 s.
func WithTimeout(timeout time.Duration) Option {
	return func(client *Client) { client.timeout = timeout }
}

// WithRetries is how often a call is tried again after 429, 503 and a connection that ended; by default 3 times.
func WithRetries(retries int) Option { return func(client *Client) { client.retries = retries } }

// WithForm is how requests and replies are written: Binary, the default, or JSON.
func WithForm(form Form) Option { return func(client *Client) { client.form = form } }

// WithHTTPClient uses the connections of another client, for TLS or a proxy of one's own. No redirect is followed, whatever it says.
func WithHTTPClient(given *http.Client) Option { return func(client *Client) { client.http = given } }

// New makes a client of the service at a URL such as http://127.0.0.1:8000; a path in it is kept. Nothing is sent yet.
func New(address string, options ...Option) (*Client, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("gradwire: the address is no URL; expected one like http://127.0.0.1:8000") // it may hold a password
	}
	if (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" || parsed.RawQuery != "" || parsed.Fragment != "" {
		return nil, fmt.Errorf("gradwire: found the address %q; expected http:// or https:// with a host, and no query", parsed.Redacted())
	}
	client := &Client{url: withoutSlash(parsed.String()), shown: withoutSlash(parsed.Redacted()), timeout: defaultTimeout, retries: defaultRetries}
	for _, option := range options {
		option(client)
	}
	client.http = withoutRedirects(client.http)
	if err := client.check(); err != nil {
		return nil, err
	}
	return client, nil
}

func withoutSlash(address string) string { return strings.TrimRight(address, "/") }

// Close ends the connections that are idle; the client may still be used.
func (client *Client) Close() { client.http.CloseIdleConnections() }

// check says what is wrong with the options.
func (client *Client) check() error {
	switch {
	case client.timeout <= 0:
		return fmt.Errorf("gradwire: found a timeout of %v; expected more than nothing", client.timeout)
	case client.retries < 0:
		return fmt.Errorf("gradwire: found %d retries; expected 0 or more", client.retries)
	case client.form != Binary && client.form != JSON:
		return fmt.Errorf("gradwire: found the form %d; expected Binary or JSON", client.form)
	case strings.IndexFunc(client.key, func(letter rune) bool { return letter <= ' ' || letter > '~' }) >= 0:
		return errors.New("gradwire: the key has a space or another letter that no key has; is a line break at its end?")
	}
	return nil
}

// withoutRedirects is a copy of an HTTP client, or a new one, that gives a redirect back as it came.
func withoutRedirects(given *http.Client) *http.Client {
	made := http.Client{Transport: transport()}
	if given != nil {
		made = *given
	}
	made.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &made
}

func transport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    tlsPatience,
		MaxIdleConnsPerHost:    keptConnections,
		IdleConnTimeout:        idleConnections,
		ExpectContinueTimeout:  patienceToGoOn,
		MaxResponseHeaderBytes: mostHeaderBytes,
		DisableCompression:     true,
	}
}
