package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// peakInterval is how often the peak of a process is read. It only grows, so that the last that was
// read is short of it by what the process took in this time.
const peakInterval = 5 * time.Millisecond

// peakLine is the line of /proc/PID/status that has it.
var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)

// runWithPeak runs a command, and is the most memory that was resident of it, in MiB. The rusage of
// a child cannot say it: there it is at least what the process took that started the child, and
// after an hour of benchmarks that is more.
func runWithPeak(command *exec.Cmd) (float64, error) {
	if err := command.Start(); err != nil {
		return 0, err
	}
	ended, peaks := make(chan struct{}), make(chan float64)
	go func() {
		peak := 0.0
		for {
			peak = max(peak, peakOf(command.Process.Pid))
			select {
			case <-ended:
				peaks <- peak
				return
			case <-time.After(peakInterval):
			}
		}
	}()
	err := command.Wait()
	close(ended)
	return <-peaks, err
}

// peakOf is the most memory that was resident of a process since it began, in MiB; zero if it has
// ended.
func peakOf(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	line := peakLine.FindSubmatch(status)
	if line == nil {
		return 0
	}
	kilobytes, err := strconv.ParseFloat(string(line[1]), 64)
	if err != nil {
		return 0
	}
	return kilobytes / 1024
}
