package firewall

import "testing"

func TestConcerns(t *testing.T) {
	for text, want := range map[string]bool{
		"tcp dport { 80, 443 } ip saddr @cdn4 accept":                             true,
		"tcp dport 8443 ip saddr @cdn4 accept":                                    false,
		"ip saddr @cdn4 accept":                                                   true,
		"-p tcp -m multiport --dports 80,443 -m set --match-set cf src -j ACCEPT": true,
		"-p tcp -m tcp --dport 22 -m set --match-set ops src -j ACCEPT":           false,
		"tcp dport 400-500 ip saddr @cdn4 accept":                                 true,
	} {
		if got := concerns(text, 443); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestDirectionOfASourceSet(t *testing.T) {
	for text, want := range map[string][2]string{
		"ip saddr @cdn4 accept":                   {"cdn4", ""},
		"ip6 saddr != @cdn6 drop":                 {"cdn6", "!= "},
		"-m set ! --match-set cf src -j DROP":     {"cf", "! "},
		"-m set --match-set banned src -j REJECT": {"banned", ""},
	} {
		g := nftSource.FindStringSubmatch(text)
		if g == nil {
			g = xtSource.FindStringSubmatch(text)
		}
		if g == nil || g[2] != want[0] || g[1] != want[1] || letsIn.MatchString(text) == turnsAway.MatchString(text) {
			t.Errorf("%s: %q", text, g)
		}
	}
}
