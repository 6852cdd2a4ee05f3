// Package deploy checks everything below deploy/, the Dockerfile, what `make
// dist` builds, and the documents that explain them, as far as that goes
// without a cluster: with the types of Kubernetes, of the Prometheus operator
// and of Compose, with promtool, and by running the programs with the very
// arguments that the manifests give them.
//
// It is a module of its own because these libraries are nobody else's business.
package deploy
