package remedy

// kinds lists every kind of step. One line adds one.
var kinds = map[string]func() Action{
	"config":  func() Action { return &Config{} },
	"service": func() Action { return &Service{} },
}
