# syntax=docker/dockerfile:1

# The program is static and needs nothing but itself and CA certificates.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY archive archive
COPY blockwriter blockwriter
COPY cmd cmd
COPY receiver receiver
ARG VERSION=dev
ARG COMMIT=unknown
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -o /benchkeep \
    -ldflags "-s -w -X github.com/prometheus/common/version.Version=${VERSION} -X github.com/prometheus/common/version.Revision=${COMMIT}" \
    ./cmd/benchkeep

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /benchkeep /benchkeep
# Data and the embedded bucket lie here unless flags say otherwise.
WORKDIR /home/nonroot
EXPOSE 19291
ENTRYPOINT ["/benchkeep"]
CMD ["receive", "--web.listen-address=0.0.0.0:19291"]
