// What `ortlet --help` says; the settings come from their one declaration.

import { describeSettings } from '../config/describe.ts';

export function help(): string {
  const settings = describeSettings().map(
    ({ flag, environment, defaultValue, description }) =>
      `  ${flag} <value>\n      ${description}.\n      Environment: ${environment}. Default: ${defaultValue}`,
  );
  return `Usage: ortlet [command] [path] [--setting value ...]

Serves ONNX models over the Open Inference Protocol v2.

Commands:
  serve [path]     Serve a folder of models or one .onnx file (the default command)
  check [path]     Load every model without opening a port; exit 1 if one fails
  inspect <file>   Print what an ONNX file says about itself, without running it
  tune <model>     Measure how a model runs best on this machine, and keep it for later starts
  types [from]     Print the models' types for the client: of a server (its URL, or a model's),
                   or of a folder of models or an .onnx file, without running it
  key <name>       Make an API key, and the lines by which a server knows it
  openapi          Print the API document as YAML
  config           Print the effective settings as YAML

Examples:
  ortlet serve ./models --port 9000
  ortlet serve model.onnx
  ORTLET_LOG_LEVEL=debug ortlet
  ortlet tune simplenet && ortlet serve --instances auto
  ortlet types http://localhost:8080 > models.ts
  curl localhost:8080/v2/models

Settings, each also as a key of ortlet.yaml (--config <file> names another file).
Flags win over the environment, the environment over the file:
${settings.join('\n')}`;
}
