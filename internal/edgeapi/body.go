package edgeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// maxBody bounds a request's body; a batch of 1,000 records is some 200 KB, an
// imported zone a few MB.
const maxBody = 8 << 20

// body reads a request's body whole.
func (c *call) body() ([]byte, error) {
	b, err := io.ReadAll(c.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &failure{http.StatusRequestEntityTooLarge, codeLarge, fmt.Sprintf("the body is larger than %d bytes", maxBody)}
	case err != nil:
		return nil, &failure{http.StatusBadRequest, codeBody, "the body did not arrive whole"}
	}
	return b, nil
}

// read reads a JSON body into v; fields that v does not have are left out.
func (c *call) read(v any) error {
	b, err := c.body()
	if err != nil {
		return err
	}
	return decode(b, v)
}

func decode(b []byte, v any) error {
	err := json.Unmarshal(b, v)
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ):
		return invalid(codeBody, "/"+strings.ReplaceAll(typ.Field, ".", "/"), fmt.Sprintf("%s must not be a JSON %s", typ.Field, typ.Value))
	case err != nil:
		return &failure{http.StatusBadRequest, codeBody, "Malformed JSON in request body: " + err.Error()}
	}
	return nil
}

// version tells which version of an object a change was made from: that of
// If-Match, or the current one when the client does not say.
func (c *call) version(current int64) (int64, error) {
	h := c.Header.Get("If-Match")
	if h == "" || tagMatches(h, versionTag(current)) {
		return current, nil
	}
	return 0, &failure{http.StatusPreconditionFailed, codeConflict, "If-Match: the object was changed since it was read"}
}

// versionTag is the ETag of an object of the store.
func versionTag(v int64) string { return "v" + strconv.FormatInt(v, 10) }
