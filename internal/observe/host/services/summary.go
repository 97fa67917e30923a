package services

import (
	"fmt"
	"strings"

	"github.com/originward/originward/fact"
	"github.com/originward/originward/internal/escape"
)

// summary tells what runs and what is wrong, not what is merely absent.
func summary(s fact.Services) string {
	var parts []string
	for _, v := range s.Services {
		if v.State == "not_installed" {
			continue
		}
		parts = append(parts, sentence(v))
	}
	if len(parts) == 0 {
		return "No web server, proxy or application server is installed or running."
	}
	return escape.Line(strings.Join(parts, "; ")+".", 1000)
}

func sentence(v fact.Service) string {
	name := v.Kind
	if v.Unit != "" {
		name = v.Unit
	} else if v.Kind == "app" && v.Name != "" {
		name = v.Name
	}
	s := name + " is " + v.State
	if v.State == "" {
		s = "whether " + name + " runs is not known"
	}
	if v.Stopped == fact.Yes {
		s = name + " is frozen (its processes are stopped)"
	}
	if v.State == "failed" {
		switch {
		case v.Signal != "":
			s += fmt.Sprintf(" (%s, %s)", v.Result, v.Signal)
		case v.ExitCode != nil:
			s += fmt.Sprintf(" (%s, status %d)", v.Result, *v.ExitCode)
		}
	}
	if v.Restarts > 0 {
		s += fmt.Sprintf(", restarted %d times", v.Restarts)
	}
	if v.Test != nil && v.Test.OK == fact.No {
		s += ", and its configuration fails its own test"
		if len(v.Test.Errors) > 0 {
			s += ": " + v.Test.Errors[0].Text
		}
	}
	if len(v.IPDeny) > 0 {
		s += fmt.Sprintf(", and its unit denies %d address ranges", len(v.IPDeny))
	}
	return s
}

func reproduce(s fact.Services) string {
	if s.Manager == "systemd" {
		var units []string
		for _, v := range s.Services {
			if v.Unit != "" && len(units) < 8 {
				units = append(units, v.Unit)
			}
		}
		if len(units) > 0 {
			return "systemctl status " + escape.Shell(units...)
		}
	}
	return "ps -eo pid,ppid,stat,lstart,args"
}
