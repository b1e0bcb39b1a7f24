package findings

import (
	"net/netip"

	"go4.org/netipx"
	networkingv1 "k8s.io/api/networking/v1"
	netutils "k8s.io/utils/net"
)

const (
	// wideIPv4 and wideIPv6 are the shares of all addresses from which on a policy counts as open
	// to everybody: a sixteenth. A sixteenth is far more than any network of one's own, such as
	// 10.0.0.0/8, and too much for a few policies to add up unseen.
	wideIPv4 = 1.0 / 16
	wideIPv6 = 1.0 / 16
)

// globalUnicast are the IPv6 addresses that the Internet has.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// wide reports whether address blocks come to a sixteenth of all IPv4 addresses, or of those IPv6
// addresses that the Internet has.
func wide(blocks []*networkingv1.IPBlock) bool {
	var v4, v6 float64
	for _, prefix := range union(blocks) {
		switch {
		case prefix.Addr().Is4():
			v4 += share(prefix.Bits())
		case prefix.Bits() <= globalUnicast.Bits():
			if prefix.Overlaps(globalUnicast) {
				v6 = 1
			}
		case globalUnicast.Contains(prefix.Addr()):
			v6 += share(prefix.Bits() - globalUnicast.Bits())
		}
	}
	return v4 >= wideIPv4 || v6 >= wideIPv6
}

// union is what address blocks hold together, as prefixes of which none overlaps another.
func union(blocks []*networkingv1.IPBlock) []netip.Prefix {
	var all netipx.IPSetBuilder
	for _, block := range blocks {
		cidr, ok := prefix(block.CIDR)
		if !ok {
			continue // The API server lets none such in.
		}
		var one netipx.IPSetBuilder
		one.AddPrefix(cidr)
		for _, except := range block.Except {
			if cidr, ok := prefix(except); ok {
				one.RemovePrefix(cidr)
			}
		}
		if set, err := one.IPSet(); err == nil {
			all.AddSet(set)
		}
	}
	set, err := all.IPSet()
	if err != nil {
		return nil
	}
	return set.Prefixes()
}

// prefix is an address block as NetworkPolicies hold it. API servers before 1.36 let in leading
// zeros, such as 0.0.0.0/00, and IPv4-mapped addresses, and later ones keep those that they have.
func prefix(cidr string) (netip.Prefix, bool) {
	_, block, err := netutils.ParseCIDRSloppy(cidr)
	if err != nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(block.IP)
	fixed, length := block.Mask.Size()
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, fixed-(length-addr.BitLen())), ok
}

// share is the share of a prefix in what it is a part of, of which it fixes so many more bits.
func share(bits int) float64 {
	s := 1.0
	for range bits {
		s /= 2
	}
	return s
}

func blocksString(blocks []*networkingv1.IPBlock) string {
	var words []string
	for _, b := range blocks {
		word := b.CIDR
		if len(b.Except) > 0 {
			word += " except " + listed(b.Except, maxListed)
		}
		words = append(words, word)
	}
	return listed(words, maxListed)
}
