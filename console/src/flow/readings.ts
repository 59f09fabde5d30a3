import { useQueries } from '@tanstack/react-query'
import { instant, type Sample } from '../backends/prometheus'
import { get } from '../backends/request'
import { services } from '../backends/traces'

const queries = {
  logins: 'sum(rate(traces_span_metrics_calls_total{service_name="login-api", span_name="POST /v1/login", span_kind="SPAN_KIND_SERVER"}[40s]))',
  loginsFailed: 'sum(rate(traces_span_metrics_calls_total{service_name="login-api", span_name="POST /v1/login", span_kind="SPAN_KIND_SERVER", status_code="STATUS_CODE_ERROR"}[40s]))',
  calls: 'sum by (client, server) (rate(traces_service_graph_request_total[40s]))',
  callsFailed: 'sum by (client, server) (rate(traces_service_graph_request_failed_total[40s]))',
  latency: 'histogram_quantile(0.95, sum by (le, service_name) (rate(traces_span_metrics_duration_seconds_bucket{span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"}[1m])))',
  published: 'sum(rate(messaging_client_sent_messages_total{messaging_destination_name="user.events:user.logged_in"}[40s]))',
  unpublished: 'sum(rate(messaging_client_sent_messages_total{messaging_destination_name="user.events:user.logged_in", error_type!=""}[40s]))',
  depth: 'sum by (rabbitmq_queue_name) (rabbitmq_message_current)',
  routed: 'sum by (rabbitmq_queue_name) (rate(rabbitmq_message_published_total[40s]))',
  delivered: 'sum by (rabbitmq_queue_name) (rate(rabbitmq_message_delivered_total[40s]))',
  consumers: 'sum by (rabbitmq_queue_name) (rabbitmq_consumer_count)',
  outcomes: 'sum by (outcome) (rate(audit_messages_total[40s]))',
  exported: 'sum by (service_name) (rate(otel_sdk_exporter_span_exported_total[40s]))',
  lost: 'sum by (service_name) (rate(otel_sdk_exporter_span_exported_total{error_type!=""}[40s]))',
  sentSpans: 'sum by (exporter) (label_replace(sum by (store) (label_replace(rate(otelcol_exporter_sent_spans_total[40s]), "store", "$1", "exporter", "(otlp_http/[a-z]+).*")), "exporter", "$1", "store", "(.+)"))',
  sentLogs: 'sum by (exporter) (rate(otelcol_exporter_sent_log_records_total[40s]))',
  sentMetrics: 'sum by (exporter) (rate(otelcol_exporter_sent_metric_points_total[40s]))',
  refused: 'sum(rate(otelcol_receiver_refused_spans_total[40s])) + sum(rate(otelcol_receiver_refused_log_records_total[40s])) + sum(rate(otelcol_receiver_refused_metric_points_total[40s]))',
  fill: 'max by (exporter) (otelcol_exporter_queue_size / otelcol_exporter_queue_capacity)',
  waiting: 'sum by (exporter) (otelcol_exporter_queue_size)',
  alerts: 'sum by (alertname, severity) (ALERTS{alertstate="firing"})',
}
export type Name = keyof typeof queries
const names = Object.keys(queries) as Name[]

// The metrics tell of a store what was sent to it; whether it answers, only it can tell.
const questions: Record<string, () => Promise<unknown>> = {
  jaeger: () => services('jaeger'),
  tempo: () => services('tempo'),
  loki: () => get('loki', 'loki/api/v1/labels'),
}
const stores = Object.keys(questions)

export interface Readings {
  /** The value of the series with these labels, or undefined where there is none. */
  of: (name: Name, labels?: Record<string, string>) => number | undefined
  all: (name: Name) => Sample[]
  /** Whether a store does not answer. */
  away: (store: string) => boolean
  error?: Error
  at: number
}

/** What the flow shows, asked anew every 5 seconds. */
export function useReadings(): Readings {
  const results = useQueries({
    queries: names.map((name) => ({ queryKey: ['flow', name], queryFn: () => instant(queries[name]), refetchInterval: 5000 })),
  })
  const answers = useQueries({
    queries: stores.map((store) => ({ queryKey: ['flow', 'answers', store], queryFn: questions[store], refetchInterval: 5000, retry: false })),
  })
  const all = (name: Name) => results[names.indexOf(name)]?.data ?? []
  return {
    all,
    away: (store) => answers[stores.indexOf(store)]?.isError ?? false,
    of: (name, labels = {}) => {
      const value = all(name).find((sample) => Object.entries(labels).every(([label, wanted]) => sample.labels[label] === wanted))?.value
      return value === undefined || Number.isNaN(value) ? undefined : value
    },
    error: (results.find(({ error }) => error)?.error as Error | undefined) ?? undefined,
    at: Math.max(...results.map(({ dataUpdatedAt }) => dataUpdatedAt)),
  }
}
