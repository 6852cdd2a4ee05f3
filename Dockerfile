# syntax=docker/dockerfile:1

# The builder is the machine's own platform: Go compiles for the others, too.
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY archive archive
COPY blockwriter blockwriter
COPY cmd cmd
COPY receiver receiver
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev
ARG COMMIT=unknown
# The same command as `make dist`: the same bytes from any directory.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -o /benchkeep \
    -ldflags "-s -w -X github.com/prometheus/common/version.Version=$VERSION -X github.com/prometheus/common/version.Revision=$COMMIT" \
    ./cmd/benchkeep

# The program is static, and needs nothing but CA certificates.
FROM gcr.io/distroless/static-debian12:nonroot
ARG VERSION=dev
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="benchkeep" \
      org.opencontainers.image.description="Keeps the metrics of a benchmark run after the run's Prometheus is gone" \
      org.opencontainers.image.source="https://github.com/benchkeep/benchkeep" \
      org.opencontainers.image.documentation="https://github.com/benchkeep/benchkeep/blob/main/docs/deploy.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
# On the PATH, for `benchkeep finish` as a preStop hook.
COPY --from=build /benchkeep /usr/bin/benchkeep
USER 65532:65532
# Data and the embedded bucket lie here unless flags say otherwise.
WORKDIR /home/nonroot
EXPOSE 19291
ENTRYPOINT ["/usr/bin/benchkeep"]
CMD ["receive", "--web.listen-address=0.0.0.0:19291"]
