package evaluate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"throughline/internal/evaluate/result"
)

// brokerAlarm makes RabbitMQ short of memory, so that it takes no more messages,
// while a share of the attempts at those that it has fails and has to be retried.
func (l *lab) brokerAlarm() fault {
	return fault{
		name: "alarm of the broker, a tenth of the attempts fails", part: "rabbitmq", kind: result.KindBrokerAlarm, skip: l.parts.Fixed(), duration: l.plan.disturbance,
		prepare: func(ctx context.Context) (func(context.Context) error, error) {
			undo := func(ctx context.Context) error { return l.parts.Start(ctx, "audit-mq") }
			if err := l.parts.Start(ctx, "audit-mq", "AUDIT_MQ_FAILURE_RATIO=0.1"); err != nil {
				return nil, errors.Join(err, undo(context.WithoutCancel(ctx)))
			}
			return undo, nil
		},
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			end := func(ctx context.Context) error { return l.parts.BrokerAlarm(ctx, false) }
			if err := l.parts.BrokerAlarm(ctx, true); err != nil {
				return nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return end, nil
		},
	}
}

// leaderLost ends the node that leads audit-mq's queue by SIGKILL. When it is back,
// the queue must have all its members again.
func (l *lab) leaderLost() fault {
	f := fault{
		name: "kill -9 of the broker's node that leads audit-mq's queue", part: "rabbitmq", kind: result.KindLeaderLost, skip: l.parts.Fixed(), duration: l.plan.disturbance,
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			leader, online, err := l.parts.QueueMembers(ctx, auditQueue)
			if err == nil && (leader == "" || len(online) < l.brokerNodes) {
				err = fmt.Errorf("%s has its members on %v, and the leader on %q, of %d nodes", auditQueue, online, leader, l.brokerNodes)
			}
			if err != nil {
				return nil, err
			}
			end := func(ctx context.Context) error {
				if err := l.parts.Start(ctx, leader); err != nil {
					return err
				}
				return l.awaitMembers(ctx)
			}
			if err := l.parts.Kill(ctx, leader); err != nil {
				return nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return end, nil
		},
	}
	if f.skip == "" && l.brokerNodes == 1 {
		f.skip = "the broker has one node: RABBITMQ_NODES=3 make up runs three"
	}
	return f
}

// awaitMembers waits until audit-mq's queue has a member on each node.
func (l *lab) awaitMembers(ctx context.Context) error {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		leader, online, err := l.parts.QueueMembers(ctx, auditQueue)
		if err == nil && leader != "" && len(online) == l.brokerNodes {
			return nil
		}
		if !pause(ctx, 500*time.Millisecond) {
			return errors.Join(fmt.Errorf("%s has members on %d of %d nodes %s after the node is back", auditQueue, len(online), l.brokerNodes, patience), err)
		}
	}
}

// databaseAway locks audit-mq's database.
func (l *lab) databaseAway() fault {
	return fault{
		name: fmt.Sprintf("outage of audit-mq's database, %s", l.plan.databaseOutage), part: "audit-mq", kind: result.KindDatabaseOutage, skip: l.parts.Fixed(), duration: l.plan.databaseOutage,
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			return l.parts.LockDatabase(ctx)
		},
	}
}
