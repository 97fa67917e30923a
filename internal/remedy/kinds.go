package remedy

// kinds lists every kind of step. One line adds one.
var kinds = map[string]func() Action{
	"nft":        func() Action { return &NFT{} },
	"iptables":   func() Action { return &Iptables{} },
	"ipset":      func() Action { return &IPSet{} },
	"ufw":        func() Action { return &UFW{} },
	"firewalld":  func() Action { return &Firewalld{} },
	"ban":        func() Action { return &Ban{} },
	"origincert": func() Action { return &OriginCert{} },
	"decisions":  func() Action { return &Decisions{} },
	"table":      func() Action { return &Table{} },
	"route":      func() Action { return &Route{} },
	"sysctl":     func() Action { return &Sysctl{} },
	"record":     func() Action { return &Record{} },
	"ssl":        func() Action { return &SSL{} },
	"rule":       func() Action { return &Rule{} },
	"access":     func() Action { return &AccessRule{} },
	"config":     func() Action { return &Config{} },
	"service":    func() Action { return &Service{} },
}
