# Two kinds of image: the services, one by one (--build-arg SERVICE=login-api), and
# prepare, which holds what the official images of docker-compose.yml lack.

ARG GO_VERSION

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION} AS build
ARG TARGETOS TARGETARCH
ARG GOPROXY
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -ldflags="-s -w" -o /out/bin/ \
    ./services/login-api ./services/user-rpc ./services/audit-mq ./cmd/healthcheck \
 && mkdir /out/empty

# A volume takes over owner and content of the directory that it is first mounted over.
FROM scratch AS prepare
COPY --from=build /out/bin/healthcheck /probe/healthcheck
COPY --from=build --chown=10001:10001 /out/empty /var/lib/otelcol
COPY --from=build --chown=10001:10001 /out/empty /var/lib/jaeger
USER 10001:10001
ENTRYPOINT ["/probe/healthcheck"]

FROM scratch AS service
ARG SERVICE
COPY --from=build /out/bin/${SERVICE} /bin/${SERVICE}
COPY --from=build --chown=65532:65532 /out/empty /data
ENV PATH=/bin
USER 65532:65532
