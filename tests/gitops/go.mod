// The CRDs of Flux and Argo CD, for the tests of what is written for them.
module refreshable/gitops

go 1.24

require (
	github.com/argoproj/argo-cd/v3 v3.5.7
	github.com/fluxcd/helm-controller v1.4.0
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
)
