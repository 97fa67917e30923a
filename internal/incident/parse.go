package incident

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/originward/originward"
	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/causes"
)

// maxReport bounds a report.
const maxReport = 256 << 10

// sections lists the parts of a report, in the order in which they stand.
var sections = []string{"observed", "not-observed", "expect", "later", "expect-later"}

// Parse reads a report. name is the file's, for messages.
func Parse(name string, data []byte) (*Incident, error) {
	if len(data) > maxReport {
		return nil, fmt.Errorf("%s: larger than %d KiB", name, maxReport>>10)
	}
	in := &Incident{File: name, Site: "shop.example"}
	comment, parts, first, err := in.split(string(data))
	if err != nil {
		return nil, err
	}
	at, err := in.comment(comment)
	if err != nil {
		return nil, err
	}
	n := strings.Count(string(data), "\n") + 1
	for _, s := range []string{"observed", "expect"} {
		if parts[s] == nil {
			return nil, &Error{name, n, fmt.Errorf("section %q is missing", s)}
		}
	}
	if (parts["later"] == nil) != (parts["expect-later"] == nil) {
		return nil, &Error{name, n, errors.New("later and expect-later stand together or not at all")}
	}
	return in, in.stages(parts, first, at)
}

// split parts a report at its markers, "-- NAME --" on a line of their own, as
// txtar has them.
func (in *Incident) split(text string) (comment string, parts map[string][]string, first map[string]int, err error) {
	parts, first = map[string][]string{}, map[string]int{}
	at := ""
	for i, s := range strings.Split(text, "\n") {
		name, marks := strings.CutPrefix(strings.TrimRight(s, " \t\r"), "-- ")
		name, ends := strings.CutSuffix(name, " --")
		switch {
		case marks && ends:
			if !slices.Contains(sections, name) {
				return "", nil, nil, &Error{in.File, i + 1, fmt.Errorf("section %q: allowed are %s", name, strings.Join(sections, ", "))}
			}
			if parts[name] != nil {
				return "", nil, nil, &Error{in.File, i + 1, fmt.Errorf("section %q stands twice", name)}
			}
			at = name
			parts[name], first[name] = []string{}, i+2
		case at == "":
			comment += s + "\n"
		default:
			parts[at] = append(parts[at], s)
		}
	}
	return comment, parts, first, nil
}

// stages reads the sections into one bundle per stage: a later one knows all
// that was known before.
func (in *Incident) stages(parts map[string][]string, first map[string]int, at time.Time) error {
	read := func(b *builder, section string, put func(*builder, *line) error) error {
		for i, text := range parts[section] {
			text = strings.TrimSpace(text)
			if text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			l, err := readLine(first[section]+i, text)
			if err == nil {
				err = put(b, l)
			}
			if err != nil {
				return &Error{in.File, first[section] + i, err}
			}
		}
		return nil
	}
	for _, s := range [][2]string{{"observed", "expect"}, {"later", "expect-later"}} {
		if parts[s[0]] == nil {
			continue
		}
		b := newBuilder(in.Site, at)
		for _, from := range []string{"observed", "later"} {
			if err := read(b, from, (*builder).observe); err != nil {
				return err
			}
			if from == s[0] {
				break
			}
		}
		if err := read(b, "not-observed", (*builder).miss); err != nil {
			return err
		}
		var want Expect
		if err := read(b, s[1], func(_ *builder, l *line) error { return want.read(l) }); err != nil {
			return err
		}
		if err := want.check(); err != nil {
			return &Error{in.File, first[s[1]], err}
		}
		in.Stages = append(in.Stages, Stage{s[0], b.bundle(), want})
	}
	return nil
}

// comment reads what stands before the first section: the title, options, and
// the story.
func (in *Incident) comment(text string) (at time.Time, err error) {
	at = start
	var story []string
	for i, s := range strings.Split(text, "\n") {
		s = strings.TrimSpace(s)
		key, value, ok := strings.Cut(s, ": ")
		switch {
		case in.Title == "":
			in.Title = s
		case ok && key == "source":
			in.Sources = append(in.Sources, strings.TrimSpace(value))
		case ok && key == "site":
			in.Site = strings.TrimSpace(value)
		case ok && key == "date":
			if at, err = time.Parse("2006-01-02", strings.TrimSpace(value)); err != nil {
				return at, &Error{in.File, i + 1, fmt.Errorf("date %q: allowed is YEAR-MONTH-DAY", value)}
			}
		default:
			story = append(story, s)
		}
	}
	in.Story = strings.TrimSpace(strings.Join(story, "\n"))
	switch {
	case in.Title == "":
		err = errors.New("the first line has to be a title")
	case len(in.Sources) == 0:
		err = errors.New("no source: is given")
	case in.Story == "":
		err = errors.New("the comment does not tell what happened")
	}
	if err != nil {
		return at, &Error{in.File, 1, err}
	}
	return at, nil
}

// read takes one line of an expectation.
func (e *Expect) read(l *line) error {
	what := l.head[0]
	if len(l.head) > 1 {
		return fmt.Errorf("%q: allowed are cause, answer, next, never", strings.Join(l.head, " "))
	}
	switch what {
	case "cause":
		id := originward.CauseID(l.word())
		stand := originward.Standing(l.word())
		if err := known(id); err != nil {
			return err
		}
		if stand != originward.Proved && stand != originward.Likely {
			return fmt.Errorf("standing %q: allowed are proved and likely", stand)
		}
		e.Causes = append(e.Causes, Cause{id, stand})
	case "answer":
		switch a := l.word(); a {
		case "undetermined":
			e.Undetermined = true
		case "healthy":
			e.Healthy = true
		default:
			return fmt.Errorf("answer %q: allowed are undetermined and healthy", a)
		}
	case "next":
		k := Look{originward.Vantage(l.word()), originward.Question(l.word())}
		if err := k.check(); err != nil {
			return err
		}
		e.Next = append(e.Next, k)
	case "never":
		for len(l.words) > 0 {
			id := originward.CauseID(l.word())
			if err := known(id); err != nil {
				return err
			}
			e.Never = append(e.Never, id)
		}
	default:
		return fmt.Errorf("%q: allowed are cause, answer, next, never", what)
	}
	return l.done()
}

func (e *Expect) check() error {
	answers := 0
	for _, is := range []bool{len(e.Causes) > 0, e.Undetermined, e.Healthy} {
		if is {
			answers++
		}
	}
	switch {
	case answers != 1:
		return errors.New("one of cause:, answer: undetermined and answer: healthy is expected")
	case e.Undetermined && len(e.Next) == 0:
		return errors.New("undetermined: the observation that decided has to be named, with next")
	}
	return nil
}

func (k Look) check() error {
	if !slices.Contains(originward.Vantages(), k.Vantage) {
		return fmt.Errorf("vantage %q: allowed are %v", k.Vantage, originward.Vantages())
	}
	if k.Question != "" && !slices.Contains(fact.Questions(), k.Question) {
		qs := fact.Questions()
		slices.Sort(qs)
		return fmt.Errorf("question %q: allowed are %v", k.Question, qs)
	}
	return nil
}

func known(id originward.CauseID) error {
	if _, ok := causes.Find(id); !ok {
		return fmt.Errorf("cause %q is not in the catalogue; `originward causes` lists them", id)
	}
	return nil
}
