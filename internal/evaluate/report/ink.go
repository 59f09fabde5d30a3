package report

import (
	"image/color"
	"regexp"
	"strconv"
	"strings"
)

// ink is a colour of style.css, which has one for light and one for dark pages.
// Plots are drawn in a stand-in that themed replaces.
type ink uint8

const (
	inkText ink = iota
	inkMuted
	inkGrid
	inkGood
	inkBad
	inkOther
	// Parts, along the way of the data.
	inkLoginAPI
	inkUserRPC
	inkRabbitMQ
	inkAuditMQ
	inkCollector
	inkJaeger
	inkTempo
	inkLoki
	inkPrometheus
	inkLoad
)

// inkNames are the names of the variables in style.css.
var inkNames = [...]string{
	"text", "muted", "grid", "good", "bad", "other",
	"login-api", "user-rpc", "rabbitmq", "audit-mq", "otel-collector",
	"jaeger", "tempo", "loki", "prometheus", "load",
}

func (i ink) String() string { return inkNames[i] }

// solid, soft and faint are the stand-ins, the latter two translucent.
func (i ink) solid() color.Color { return color.NRGBA{R: 0xFE, G: uint8(i), B: 0x01, A: 0xFF} }
func (i ink) soft() color.Color  { return color.NRGBA{R: 0xFE, G: uint8(i), B: 0x02, A: 0xFF} }
func (i ink) faint() color.Color { return color.NRGBA{R: 0xFE, G: uint8(i), B: 0x03, A: 0xFF} }

// inkOf gives a part the same colour in all plots.
func inkOf(part string) ink {
	for i := inkLoginAPI; int(i) < len(inkNames); i++ {
		if strings.EqualFold(inkNames[i], part) { // stores have a capital
			return i
		}
	}
	return inkOther
}

var standIn = regexp.MustCompile(`(fill|stroke):#FE([0-9A-F]{2})(01|02|03)`)

// themed replaces the stand-ins in an SVG by the page's variables.
func themed(svg string) string {
	return standIn.ReplaceAllStringFunc(svg, func(match string) string {
		m := standIn.FindStringSubmatch(match)
		i, err := strconv.ParseUint(m[2], 16, 8)
		if err != nil || int(i) >= len(inkNames) {
			return match
		}
		style := m[1] + ":var(--" + inkNames[i] + ")"
		switch m[3] {
		case "02":
			style += ";" + m[1] + "-opacity:.38"
		case "03":
			style += ";" + m[1] + "-opacity:.17"
		}
		return style
	})
}
