# One static binary in an otherwise empty image: no shell, no package manager,
# no root.
#
# State of testing: this file has not been built by .ci/run where no container
# engine runs; .ci/run says so when that is the case. What it does to make the
# binary is the static build that .ci/run always checks.
#
#   docker build -t certbound .
#   docker run --rm certbound version
#   docker run -v certbound-data:/var/lib/certbound -v ./as:/etc/certbound:ro \
#     -p 8443:8443 certbound serve --config /etc/certbound/certbound.yaml
#
# The health check reads that name. For another one give its command (--health-cmd and
# the like), and --no-healthcheck to what is neither serve nor proxy; docs/operation.md.

FROM golang:1.26.8-bookworm AS build
WORKDIR /src
# Modules first: they change less often than the code does.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/certbound ./cmd/certbound
# The database directory has to exist and belong to the user before it becomes a volume.
RUN mkdir -p /out/data && chmod 0700 /out/data

FROM scratch
# For the proxy, which fetches the issuer's keys over https. Client certificates
# are never judged by these roots: certbound trusts its own bundles only.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/certbound /usr/local/bin/certbound
COPY --from=build --chown=65532:65532 /out/data /var/lib/certbound
USER 65532:65532
WORKDIR /var/lib/certbound
VOLUME /var/lib/certbound
EXPOSE 8443 8444
# Longer than healthcheck's own 5 s, so that it is there to say why.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/certbound", "healthcheck", "--config", "/etc/certbound/certbound.yaml"]
ENTRYPOINT ["/usr/local/bin/certbound"]
CMD ["version"]
