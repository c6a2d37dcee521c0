# syntax=docker/dockerfile:1

# The image holds one static binary, CA certificates and nothing else: no shell, no
# package manager, no git (the daemon needs none).
#
#   docker build --build-arg VERSION="$(git describe --tags --always)" --tag confmirror .
#   docker run --publish 127.0.0.1:8080:8080 --volume confmirror:/var/lib/confmirror confmirror

FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=devel
# Time zones are built in, because schedules may name one and the image has no tzdata.
# scripts/test runs this line as it stands, with another place for the result.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false -tags timetzdata \
    -ldflags "-s -w -X main.version=$VERSION" -o /out/confmirror ./cmd/confmirror
RUN mkdir -p /out/data /out/tmp && chmod 0700 /out/data && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tmp /tmp
# A volume takes its owner from here.
COPY --from=build --chown=65532:65532 /out/data /var/lib/confmirror
COPY --from=build /out/confmirror /usr/local/bin/confmirror
USER 65532:65532
# Inside a container only the outside can reach 0.0.0.0; publish the port to loopback
# and put a reverse proxy with TLS before it.
ENV CONFMIRROR_HTTP_LISTEN=0.0.0.0:8080 \
    CONFMIRROR_DATA_DIR=/var/lib/confmirror
WORKDIR /var/lib/confmirror
VOLUME /var/lib/confmirror
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5m --retries=3 CMD ["/usr/local/bin/confmirror", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/confmirror"]
CMD ["serve"]
