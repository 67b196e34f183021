# syntax=docker/dockerfile:1
# The program, the shipped rule packs and the system's CA certificates, and nothing else.
#   docker build -t writegate .
#   docker run --rm writegate demo --exit
#   docker run -v ./writegate.yaml:/etc/writegate/writegate.yaml:ro -v ./rules:/etc/writegate/rules:ro \
#     -v writegate:/var/lib/writegate -p 8443:8443 writegate
# In a container the routes of writegate.yaml listen on 0.0.0.0, and name a `public_url`.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# Made here, because the last stage has no shell.
RUN mkdir -p /state
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin writegate \
    && cp target/release/writegate /usr/local/bin/writegate

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="Writegate" \
      org.opencontainers.image.description="A reverse proxy between AI agents and the CRM: every write is judged, limited and recorded." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /usr/local/bin/writegate /usr/local/bin/writegate
COPY --from=build /src/LICENSE /usr/share/doc/writegate/LICENSE
COPY --from=build /src/rules /etc/writegate/rules
COPY --from=build --chown=65532:65532 /state /var/lib/writegate
ENV WRITEGATE_CONFIG=/etc/writegate/writegate.yaml \
    WRITEGATE_LEDGER=sqlite:/var/lib/writegate/writegate.db
# 65532 is the image's `nonroot`; as a number, so that Kubernetes can see that it is not root.
USER 65532:65532
VOLUME /var/lib/writegate
# The admin listener (9090) is on 127.0.0.1 inside, where `-p` does not reach it, unless
# WRITEGATE_ADMIN_LISTEN=0.0.0.0:9090 is set. It speaks plain http and takes operators' tokens: publish it
# to the operators' own network only.
EXPOSE 8443 8444 9090
STOPSIGNAL SIGTERM
# No HEALTHCHECK: orchestrators ask /healthz and /readyz of the admin listener.
ENTRYPOINT ["/usr/local/bin/writegate"]
CMD ["serve"]
