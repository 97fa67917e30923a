package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v7/dns"
	"github.com/cloudflare/cloudflare-go/v7/option"
	"github.com/cloudflare/cloudflare-go/v7/packages/pagination"
	"github.com/cloudflare/cloudflare-go/v7/zones"

	"github.com/originward/originward"
	observe "github.com/originward/originward/internal/observe/cdn"
)

// API is where the CDN is changed. The token itself is in no journal: it is
// read from its file, or from $CLOUDFLARE_API_TOKEN, whenever it is needed.
type API struct {
	Base      string `json:"base"`
	TokenFile string `json:"token_file,omitempty"`
	Zone      string `json:"zone"` // id
}

// apiTimeout bounds one call.
const apiTimeout = 15 * time.Second

// ErrToken says that the CDN cannot be changed for want of a token.
var ErrToken = errors.New("no API token that may edit: give --cdn-token-file, or set CLOUDFLARE_API_TOKEN")

func (a API) tokenFromEnv() bool { return a.TokenFile == "" }

func (a API) options() ([]option.RequestOption, error) {
	base, err := observe.BaseURL(a.Base)
	if err != nil {
		return nil, err
	}
	token := os.Getenv("CLOUDFLARE_API_TOKEN")
	if a.TokenFile != "" {
		raw, err := os.ReadFile(a.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrToken, err)
		}
		token = strings.TrimSpace(string(raw))
	}
	if token == "" {
		return nil, ErrToken
	}
	return []option.RequestOption{
		option.WithBaseURL(base), option.WithHTTPClient(&http.Client{Timeout: apiTimeout}), option.WithMaxRetries(2), option.WithRequestTimeout(apiTimeout), option.WithAPIToken(token),
	}, nil
}

// apiError is a refusal of the API in its own words, without the request around.
type apiError struct {
	error
	words string
}

func (e apiError) Error() string { return e.words }
func (e apiError) Unwrap() error { return e.error }

var apiWords = regexp.MustCompile(`"message":\s*"((?:[^"\\]|\\.)*)"`)

// apiSaid finds the API's own words in an error, for people.
func apiSaid(err error) error {
	m := apiWords.FindStringSubmatch(err.Error())
	var words string
	if m == nil || json.Unmarshal([]byte(`"`+m[1]+`"`), &words) != nil || words == "" {
		return err
	}
	return apiError{err, "the CDN says: " + words}
}

// Record changes one DNS record at the CDN.
type Record struct {
	API
	ID      string        `json:"id"`
	Was     RecordContent `json:"was"`
	Want    RecordContent `json:"want"` // when it is not deleted
	Deleted bool          `json:"deleted,omitempty"`
}

// RecordContent is a record as far as it matters here.
type RecordContent struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Content string `json:"content"`
	Proxied bool   `json:"proxied"`
	TTL     int    `json:"ttl"`
	Comment string `json:"comment,omitempty"`
}

func (c RecordContent) String() string {
	cloud := "DNS only"
	if c.Proxied {
		cloud = "proxied"
	}
	return fmt.Sprintf("%s %s %s (%s)", c.Name, c.Type, c.Content, cloud)
}

// list reads the records of the name and type.
func (r *Record) list(ctx context.Context) (map[string]RecordContent, error) {
	opts, err := r.options()
	if err != nil {
		return nil, err
	}
	params := dns.RecordListParams{}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	params.PerPage.Value, params.PerPage.Present = 100, true
	var page *pagination.V4PagePaginationArray[dns.RecordResponse]
	page, err = dns.NewRecordService(opts...).List(ctx, params, option.WithQuery("name", r.Was.Name), option.WithQuery("name.exact", r.Was.Name))
	if err != nil {
		return nil, fmt.Errorf("read the DNS records of %s at the CDN: %w", r.Was.Name, apiSaid(err))
	}
	out := map[string]RecordContent{}
	for _, x := range page.Result {
		if strings.EqualFold(strings.TrimSuffix(x.Name, "."), r.Was.Name) && string(x.Type) == r.Was.Type {
			out[x.ID] = RecordContent{string(x.Type), strings.TrimSuffix(x.Name, "."), x.Content, x.Proxied, int(x.TTL), x.Comment}
		}
	}
	return out, nil
}

// Plan shows the record before and after.
func (r *Record) Plan(ctx context.Context, _ *Machine) (Change, error) {
	now, err := r.list(ctx)
	if err != nil {
		return Change{}, err
	}
	is, there := now[r.ID]
	switch {
	case r.Deleted && !there:
		return Change{None: true, Before: encode(r.Was)}, nil
	case !there:
		return Change{}, fmt.Errorf("the record %s is not there any more; diagnose again", r.Was)
	case r.Deleted:
		return Change{Show: []string{"at the CDN: delete " + is.String()}, Before: encode(is)}, nil
	}
	return Change{Show: []string{"at the CDN: - " + is.String(), "at the CDN: + " + r.Want.String()}, Before: encode(is), None: is == r.Want}, nil
}

// Apply deletes or edits the record.
func (r *Record) Apply(ctx context.Context, _ *Machine) error {
	if !r.Deleted {
		return r.edit(ctx, r.Want)
	}
	opts, err := r.options()
	if err != nil {
		return err
	}
	params := dns.RecordDeleteParams{}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	if _, err := dns.NewRecordService(opts...).Delete(ctx, r.ID, params); err != nil {
		return fmt.Errorf("delete %s at the CDN: %w", r.Was, apiSaid(err))
	}
	return nil
}

func (r *Record) edit(ctx context.Context, c RecordContent) error {
	opts, err := r.options()
	if err != nil {
		return err
	}
	body := dns.RecordEditParamsBody{}
	body.Name.Value, body.Name.Present = c.Name, true
	body.TTL.Value, body.TTL.Present = dns.TTL(c.TTL), true
	body.Type.Value, body.Type.Present = dns.RecordEditParamsBodyType(c.Type), true
	body.Content.Value, body.Content.Present = c.Content, true
	body.Proxied.Value, body.Proxied.Present = c.Proxied, true
	params := dns.RecordEditParams{Body: body}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	if _, err := dns.NewRecordService(opts...).Edit(ctx, r.ID, params); err != nil {
		return fmt.Errorf("change %s at the CDN: %w", r.Was, apiSaid(err))
	}
	return nil
}

// Undo writes the record as it was; a deleted one is made again, under an ID of
// its own.
func (r *Record) Undo(ctx context.Context, _ *Machine, before json.RawMessage) error {
	var was RecordContent
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	now, err := r.list(ctx)
	if err != nil {
		return err
	}
	if is, there := now[r.ID]; there {
		if is == was {
			return nil
		}
		return r.edit(ctx, was)
	}
	for _, is := range now {
		if is == was {
			return nil // made again already
		}
	}
	opts, err := r.options()
	if err != nil {
		return err
	}
	body := dns.RecordNewParamsBody{}
	body.Name.Value, body.Name.Present = was.Name, true
	body.TTL.Value, body.TTL.Present = dns.TTL(was.TTL), true
	body.Type.Value, body.Type.Present = dns.RecordNewParamsBodyType(was.Type), true
	body.Content.Value, body.Content.Present = was.Content, true
	body.Proxied.Value, body.Proxied.Present = was.Proxied, true
	if was.Comment != "" {
		body.Comment.Value, body.Comment.Present = was.Comment, true
	}
	params := dns.RecordNewParams{Body: body}
	params.ZoneID.Value, params.ZoneID.Present = r.Zone, true
	if _, err := dns.NewRecordService(opts...).New(ctx, params); err != nil {
		return fmt.Errorf("make %s again at the CDN: %w", was, apiSaid(err))
	}
	return nil
}

// SSL sets the zone's SSL mode at the CDN.
type SSL struct {
	API
	Want originward.SSLMode `json:"want"`
}

// modeName is a mode as the API writes it.
func modeName(m originward.SSLMode) string { return string(m) }

func (s *SSL) now(ctx context.Context) (originward.SSLMode, error) {
	opts, err := s.options()
	if err != nil {
		return "", err
	}
	params := zones.SettingGetParams{}
	params.ZoneID.Value, params.ZoneID.Present = s.Zone, true
	res, err := zones.NewSettingService(opts...).Get(ctx, "ssl", params)
	if err != nil {
		return "", fmt.Errorf("read the SSL mode at the CDN: %w", apiSaid(err))
	}
	text, _ := res.Value.(string)
	if text == "" {
		text = fmt.Sprint(res.Value)
	}
	return originward.ParseSSLMode(text)
}

// Plan shows the mode before and after.
func (s *SSL) Plan(ctx context.Context, _ *Machine) (Change, error) {
	is, err := s.now(ctx)
	if err != nil {
		return Change{}, err
	}
	return Change{Show: []string{fmt.Sprintf("at the CDN: SSL mode %s (now %s)", s.Want, is)}, Before: encode(is), None: is == s.Want}, nil
}

// Apply sets the mode.
func (s *SSL) Apply(ctx context.Context, _ *Machine) error { return s.set(ctx, s.Want) }

// Undo sets the mode that was.
func (s *SSL) Undo(ctx context.Context, _ *Machine, before json.RawMessage) error {
	var was originward.SSLMode
	if err := json.Unmarshal(before, &was); err != nil {
		return err
	}
	if is, err := s.now(ctx); err == nil && is == was {
		return nil
	}
	return s.set(ctx, was)
}

func (s *SSL) set(ctx context.Context, m originward.SSLMode) error {
	opts, err := s.options()
	if err != nil {
		return err
	}
	body := zones.SettingEditParamsBody{}
	body.Value.Value, body.Value.Present = modeName(m), true
	params := zones.SettingEditParams{Body: body}
	params.ZoneID.Value, params.ZoneID.Present = s.Zone, true
	if _, err := zones.NewSettingService(opts...).Edit(ctx, "ssl", params); err != nil {
		return fmt.Errorf("set the SSL mode at the CDN: %w", apiSaid(err))
	}
	return nil
}
