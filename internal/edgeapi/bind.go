package edgeapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/originward/originward"
	"github.com/originward/originward/internal/dnsrec"
	"github.com/originward/originward/internal/store"
)

// proxiedMark is how a zone file says that a record is proxied, as in
// Cloudflare's own export.
const proxiedMark = "cf_tags=cf-proxied:"

// exportRecords writes the zone as a zone file.
func (a *API) exportRecords(c *call) (*reply, error) {
	all, err := a.allRecords(c)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, ";; Domain: %s.\n;; Exported: %s\n\n$ORIGIN %s.\n", c.zone.name, a.now().UTC().Format(time.DateTime), c.zone.name)
	for _, r := range all {
		ttl := uint32(300) // automatic
		if r.TTL > 1 {
			ttl = uint32(r.TTL) //nolint:gosec // checked
		}
		x := dnsrec.Record{Type: originward.RecordType(r.Type), Name: r.Name, Content: r.Content}
		if r.Priority != nil {
			x.Priority = *r.Priority
		}
		rr, err := x.RR(ttl)
		if err != nil {
			return nil, err
		}
		b.WriteString(rr.String())
		var notes []string
		if r.Comment != nil {
			notes = append(notes, strings.NewReplacer("\n", " ", "\r", " ").Replace(*r.Comment))
		}
		if r.Proxiable {
			notes = append(notes, fmt.Sprintf("%s%t", proxiedMark, r.Proxied))
		}
		if len(notes) > 0 {
			b.WriteString(" ; " + strings.Join(notes, " "))
		}
		b.WriteByte('\n')
	}
	return &reply{raw: b.Bytes(), kind: "text/plain; charset=utf-8"}, nil
}

// importRecords adds the records of a zone file: multipart with the parts file
// and proxied, or the file as the body. Records that are there already, the SOA
// and the zone's own name servers are left out.
func (a *API) importRecords(c *call) (*reply, error) {
	file, proxied, err := importFile(c)
	if err != nil {
		return nil, err
	}
	list, parsed, err := readZoneFile(file, c.zone.name, proxied)
	if err != nil {
		return nil, err
	}
	added := 0
	err = a.change(c, func(t *store.Tx) error {
		if err := quota(t, c.zone.id, len(list)); err != nil {
			return err
		}
		for _, in := range list {
			_, err := addRecord(t, c.zone, in.recordIn)
			var f *failure
			if errors.As(err, &f) && f.code == codeIdentical {
				continue
			}
			if err != nil {
				return &failures{http.StatusBadRequest, []message{{Code: codeField, Message: fmt.Sprintf("record %d (%s %s): %v", in.number, *in.Name, *in.Type, err), Source: &source{"/file"}}}}
			}
			added++
		}
		return nil
	})
	return &reply{result: map[string]int{"recs_added": added, "recs_added_by_type": added, "total_records_parsed": parsed}}, err
}

// importFile finds the zone file in a body.
func importFile(c *call) (file []byte, proxied bool, err error) {
	body, err := c.body()
	if err != nil {
		return nil, false, err
	}
	kind, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return body, c.URL.Query().Get("proxied") == "true", nil
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false, &failure{http.StatusBadRequest, codeBody, "the form cannot be read: " + err.Error()}
		}
		b, err := io.ReadAll(part) // bounded by the body
		if err != nil {
			return nil, false, &failure{http.StatusBadRequest, codeBody, "the form cannot be read: " + err.Error()}
		}
		switch part.FormName() {
		case "file":
			file = b
		case "proxied":
			proxied = string(b) == "true"
		}
	}
	if file == nil {
		return nil, false, invalid(codeField, "/file", "the form has no part named file")
	}
	return file, proxied, nil
}

// numbered is a record with its place in the file.
type numbered struct {
	recordIn
	number int
}

// readZoneFile reads a zone file. proxied is for records that can be and do not say.
func readZoneFile(file []byte, zone string, proxied bool) (list []numbered, parsed int, err error) {
	p := dns.NewZoneParser(bytes.NewReader(file), dns.Fqdn(zone), "")
	p.SetDefaultTTL(1)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		if parsed++; parsed > maxRecords {
			return nil, 0, &failure{http.StatusBadRequest, codeQuota, fmt.Sprintf("Record quota exceeded: a zone holds at most %d.", maxRecords)}
		}
		r := dnsrec.FromRR(rr)
		if r.Type == "SOA" || r.Type == "NS" && r.Name == zone {
			continue
		}
		if !dnsrec.Known(r.Type) {
			return nil, 0, invalid(codeField, "/file", fmt.Sprintf("record %d (%s): the type %s is not served", parsed, r.Name, r.Type))
		}
		typ, name, ttl := string(r.Type), r.Name+".", int(rr.Header().Ttl)
		if ttl != 1 {
			ttl = min(max(ttl, 60), 86400)
		}
		in := recordIn{Type: &typ, Name: &name, Content: &r.Content, Priority: &r.Priority, TTL: &ttl}
		orange := proxied && r.Type.Origin()
		note := strings.TrimSpace(strings.TrimPrefix(p.Comment(), ";"))
		if words := strings.Fields(note); len(words) > 0 {
			if i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, proxiedMark) }); i >= 0 {
				orange = strings.TrimPrefix(words[i], proxiedMark) == "true" && r.Type.Origin()
				words = slices.Delete(words, i, i+1)
			}
			if note = strings.Join(words, " "); note != "" {
				in.Comment = &note
			}
		}
		in.Proxied = &orange
		list = append(list, numbered{in, parsed})
	}
	if err := p.Err(); err != nil {
		return nil, 0, invalid(codeField, "/file", "the zone file cannot be read: "+err.Error())
	}
	return list, parsed, nil
}
