// The CRDs of Prometheus Operator, for the tests of what the chart makes of them.
module refreshable/prometheus

go 1.24

require github.com/prometheus-operator/prometheus-operator v0.86.1
