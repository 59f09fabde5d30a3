package evaluate

import (
	"context"

	"throughline/internal/stack"
)

// native controls the parts that `throughline up` has started.
type native struct{ *stack.Stack }

func (n native) Kill(_ context.Context, part string) error { return n.Stack.Kill(part) }

// Fixed is empty: a native part can be given any setting.
func (n native) Fixed() string { return "" }

// Sampling changes to two tiers, or back to what the stack was made with.
func (n native) Sampling(ctx context.Context, on bool, env ...string) error {
	return n.SetSampling(ctx, on || n.Stack.Sampling(), env...)
}
