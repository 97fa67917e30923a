package edgeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/escape"
	"github.com/originward/originward/internal/store"
)

// pageIn says where a page of one's own is to be had.
type pageIn struct {
	State string `json:"state"` // default, customized
	URL   string `json:"url"`
}

// pageBody is a page in the store. The text is fetched when the page is set, and
// again when it is set again: a page about a broken site must not hang on one.
type pageBody struct {
	URL  string `json:"url"`
	Text string `json:"text"`
}

type pageOut struct {
	ID          string     `json:"id"`
	Description string     `json:"description"`
	Tokens      []string   `json:"required_tokens"`
	State       string     `json:"state"`
	URL         *string    `json:"url"`
	CreatedOn   *time.Time `json:"created_on"`
	ModifiedOn  *time.Time `json:"modified_on"`
}

// codePageFetch says that a page could not be fetched (custom-errors,
// troubleshooting).
const codePageFetch = 1202

// pageTime bounds fetching a page.
const pageTime = 15 * time.Second

func showPage(id string, o *store.Object) (pageOut, error) {
	out := pageOut{ID: id, Description: config.ErrorPageTitle(id), Tokens: config.ErrorPageTokens(id), State: "default"}
	if o == nil {
		return out, nil
	}
	var b pageBody
	if err := json.Unmarshal(o.Body, &b); err != nil {
		return out, err
	}
	out.State, out.URL, out.CreatedOn, out.ModifiedOn = "customized", &b.URL, &o.Created, &o.Modified
	return out, nil
}

// pagesOf are the texts of the pages among objects, by their ids.
func pagesOf(objects []store.Object) (map[string]string, error) {
	out := map[string]string{}
	for _, o := range objects {
		if o.Kind != kindPage {
			continue
		}
		var b pageBody
		if err := json.Unmarshal(o.Body, &b); err != nil {
			return nil, err
		}
		out[o.Name] = b.Text
	}
	return out, nil
}

func (a *API) customPages(c *call) (*reply, error) {
	have := map[string]store.Object{}
	if c.zone.file == nil && a.live != nil {
		if err := a.view(c, func(t *store.Tx) error {
			all, err := t.Objects(kindPage, c.zone.id)
			for _, o := range all {
				have[o.Name] = o
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	out := []pageOut{}
	for _, id := range config.ErrorPages() {
		var kept *store.Object
		if o, ok := have[id]; ok {
			kept = &o
		}
		x, err := showPage(id, kept)
		if err != nil {
			return nil, err
		}
		if z := c.zone.file; z != nil && z.ErrorPages[id] != "" {
			x.State = "customized"
		}
		out = append(out, x)
	}
	return &reply{result: out, info: &resultInfo{Page: 1, PerPage: len(out), Count: len(out), TotalCount: len(out), TotalPages: 1}}, nil
}

func pageOf(c *call) (string, error) {
	id := c.PathValue("page")
	if !slices.Contains(config.ErrorPages(), id) {
		return "", &failure{http.StatusNotFound, codeNoObject, "no page has this name. There are: " + strings.Join(config.ErrorPages(), ", ")}
	}
	return id, nil
}

func (a *API) customPage(c *call) (*reply, error) {
	id, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	all, err := a.customPages(c)
	if err != nil {
		return nil, err
	}
	list := all.result.([]pageOut)
	return &reply{result: list[slices.IndexFunc(list, func(p pageOut) bool { return p.ID == id })]}, nil
}

func (a *API) changeCustomPage(c *call) (*reply, error) {
	id, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	var in pageIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	switch in.State {
	case "default":
		err := a.change(c, func(t *store.Tx) error {
			o, err := t.ObjectByName(kindPage, c.zone.id, id)
			if errors.Is(err, store.ErrNotFound) {
				return nil // it is so anyway
			}
			if err != nil {
				return err
			}
			return t.DeleteObject(kindPage, c.zone.id, o.ID, 0, pageIn{State: "customized"})
		})
		if err != nil {
			return nil, err
		}
		return a.customPage(c)
	case "customized":
	default:
		return nil, invalid(codeField, "/state", "state must be default or customized")
	}
	text, err := fetchPage(c.Context(), in.URL, c.who.root)
	if err == nil {
		err = config.CheckErrorPage(id, text)
	}
	if err != nil {
		return nil, invalid(codePageFetch, "/url", "Error fetching page: "+escape.Line(err.Error(), 300))
	}
	return a.putPage(c, id, pageBody{URL: in.URL, Text: text})
}

func (a *API) putPage(c *call, id string, b pageBody) (*reply, error) {
	raw, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	shownAs := pageIn{State: "customized", URL: b.URL}
	err = a.change(c, func(t *store.Tx) error {
		o, err := t.ObjectByName(kindPage, c.zone.id, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return t.AddObject(&store.Object{Kind: kindPage, Zone: c.zone.id, Name: id, Body: raw}, shownAs)
		case err != nil:
			return err
		}
		o.Body = raw
		return t.PutObject(&o, pageIn{State: "customized"}, shownAs)
	})
	if err != nil {
		return nil, err
	}
	return a.customPage(c)
}

// fetchPage fetches a page. Only the owner may point into networks that are not
// public: what a token's holder sees of the answer must not be what only this machine
// can reach.
func fetchPage(ctx context.Context, address string, anywhere bool) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return "", errors.New("give a URL such as https://www.example.com/error.html")
	}
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if a := to.Addr().Unmap(); !anywhere && (!a.IsGlobalUnicast() || a.IsPrivate()) {
			return fmt.Errorf("%s is no public address", a)
		}
		return nil
	}}
	client := &http.Client{Transport: &http.Transport{DialContext: d.DialContext, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("fetch failed: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("fetch failed, %s returned %d", address, resp.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, config.MaxErrorPage+1))
	if err != nil {
		return "", fmt.Errorf("fetch failed: %w", err)
	}
	return string(b), nil
}

// pageRoutes are the calls of custom pages, of zones and of the account.
func (a *API) pageRoutes() (out []route) {
	for _, scope := range []string{"/zones/{zone}", "/accounts/{account}"} {
		out = append(out,
			route{http.MethodGet, scope + "/custom_pages", pagesRead, a.customPages, "list error pages", nil, false},
			route{http.MethodGet, scope + "/custom_pages/{page}", pagesRead, a.customPage, "one error page", nil, false},
			route{http.MethodPut, scope + "/custom_pages/{page}", pagesWrite, a.changeCustomPage, "replace an error page, or go back to the edge's own", pageIn{}, false},
		)
	}
	return out
}
