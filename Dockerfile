# The image: the compiled server, its production packages and the example models, run by a user without rights.
# deploy/prove-image.sh runs these very steps without a Docker engine.

FROM node:26-bookworm-slim AS base
# onnxruntime-node's install script would fetch CUDA libraries; the CPU libraries are in the package.
ENV ONNXRUNTIME_NODE_INSTALL=skip
WORKDIR /app

FROM base AS build
COPY package.json package-lock.json ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build

FROM base AS packages
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts
# Native libraries of other systems and processors are four fifths of onnxruntime-node.
RUN cd node_modules/onnxruntime-node/bin/napi-v6 \
  && find . -mindepth 2 -maxdepth 2 -type d ! -path "./linux/$(node -p process.arch)" -exec rm -r {} + \
  && find . -type d -empty -delete

FROM base
LABEL org.opencontainers.image.title="Ortlet" \
  org.opencontainers.image.description="Serves a folder of ONNX models over the Open Inference Protocol" \
  org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production ORTLET_HOST=0.0.0.0 ORTLET_PORT=8080 ORTLET_MODELS=/models
COPY package.json LICENSE ./
COPY --from=packages /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY deploy/healthcheck.mjs ./healthcheck.mjs
COPY models /models
# A number, so that Kubernetes can tell that it is not root.
USER 1000:1000
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["node", "/app/healthcheck.mjs"]
ENTRYPOINT ["node", "/app/dist/main.js"]
CMD ["serve"]
