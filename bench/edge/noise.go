package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	// maxNoise is the share of one core that other processes may use during a measurement.
	maxNoise = 0.03
	// tries is how often a disturbed measurement is made.
	tries = 5
	// patience is how long a quiet second is waited for before the next try.
	patience = 20 * time.Second
)

// quiet watches how much time the cores spend on other processes.
type quiet struct {
	busy, own, at float64
}

// tick is the kernel's USER_HZ, by which /proc counts.
const tick = 100

func watchQuiet(b *bench) (quiet, error) {
	busy, err := busyTime()
	return quiet{busy, b.ownTime(), float64(time.Now().UnixNano()) / 1e9}, err
}

// settled waits until others leave the cores alone, for patience at most.
func settled(b *bench) error {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		q, err := watchQuiet(b)
		if err != nil {
			return err
		}
		time.Sleep(time.Second) // what is measured is this second
		if q.others(b) <= maxNoise {
			return nil
		}
	}
	return nil
}

// undisturbed measures again what others disturbed, up to tries times, and gives the
// least disturbed figure with the share of one core that others used meanwhile.
func undisturbed(b *bench, c benchCase, p *peer) (best figure, noise float64, err error) {
	for try := range tries {
		if try > 0 && !c.once {
			if err := settled(b); err != nil {
				return best, noise, err
			}
		}
		q, err := watchQuiet(b)
		if err != nil {
			return best, noise, err
		}
		f, err := c.measure(b, p)
		if err != nil {
			return best, noise, fmt.Errorf("%s, %s: %w", c.name, p.name, err)
		}
		if share := q.others(b); try == 0 || share < noise {
			best, noise = f, share
		}
		if noise <= maxNoise || b.o.force || c.once {
			break
		}
	}
	return best, noise, nil
}

// others is the share of one core that others used since.
func (q quiet) others(b *bench) float64 {
	busy, err := busyTime()
	if err != nil {
		return 1
	}
	took := float64(time.Now().UnixNano())/1e9 - q.at
	return max(0, (busy-q.busy)-(b.ownTime()-q.own)) / took
}

// busyTime is the time in seconds that all cores have been busy.
func busyTime() (float64, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var sum float64
	for i, f := range strings.Fields(line)[1:] {
		if i == 3 || i == 4 || i > 7 { // idle, waiting for disks; guests are counted already
			continue
		}
		sum += number(f)
	}
	return sum / tick, nil
}

// ownTime is the time of our processes, ended ones included.
func (b *bench) ownTime() float64 {
	var sum float64
	pids := []int{os.Getpid()}
	for _, p := range append(b.peers, b.origin) {
		pids = append(pids, p.pids()...)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) < 15 {
			continue
		}
		sum += number(f[11]) + number(f[12]) // itself
		if pid == os.Getpid() {
			sum += number(f[13]) + number(f[14]) // the generators, which have ended
		}
	}
	return sum / tick
}
