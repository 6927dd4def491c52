# One image for every app; the command says which one runs (docker-compose.yml).
# RUNTIME=cpu: the compiled engine. RUNTIME=gpu: CUDA and tfjs-node-gpu for the eager engine (docs/engines.md).
ARG RUNTIME=cpu

FROM node:22-bookworm-slim AS build
WORKDIR /app
ENV TURBO_TELEMETRY_DISABLED=1
COPY . .
RUN --mount=type=cache,target=/root/.npm npm ci
RUN npx --no-install turbo run build && npm prune --omit=dev

FROM node:22-bookworm-slim AS runtime-cpu
COPY --from=build /app /app

# tfjs-node-gpu 4.22 is tied to CUDA 11 and cuDNN 8.
FROM nvidia/cuda:11.8.0-cudnn8-runtime-ubuntu22.04 AS runtime-gpu
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm
COPY --from=build /app /app
WORKDIR /app
# Its install script downloads libtensorflow; TFJS_NODE_CDN_STORAGE and TFJS_NODE_BASE_URI name a mirror.
RUN node /usr/local/lib/node_modules/npm/bin/npm-cli.js install \
  --no-save --omit=dev --ignore-scripts=false @tensorflow/tfjs-node-gpu@4.22.0
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --create-home node

FROM runtime-${RUNTIME}
WORKDIR /app
ENV NODE_ENV=production RELA_HOME=/home/rela
RUN mkdir -p /home/rela && chown node:node /home/rela
VOLUME /home/rela
USER node
EXPOSE 8080
CMD ["node", "apps/api/dist/main.js"]
