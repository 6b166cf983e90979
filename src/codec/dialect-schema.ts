// The JSON objects of the neighbours' dialects, as zod schemas. Tensors are not looked at here: their elements are read
// from the bytes.

import { z } from 'zod';

const value = z.union([z.string(), z.number(), z.boolean()]);
const parameter = z.union([value, z.array(value)]);

const nested = z
  .union([value, z.array(z.unknown()), z.record(z.string(), z.unknown())])
  .describe('Nested arrays, or a lone value; `{"b64": "…"}` for binary strings; an object with one for each name');

const signatureName = z.string().optional().describe('Has no meaning here');

const predictRequest = z
  .union([
    z.object({
      signature_name: signatureName,
      instances: z.array(nested).min(1).describe('Rows: of the one input, or objects with each input'),
    }),
    z.object({ signature_name: signatureName, inputs: nested.describe('Columns: of the one input, or of each') }),
  ])
  .meta({ id: 'PredictRequest' });

const predictResponse = z
  .union([
    z.object({ predictions: z.array(nested).describe('Rows: of the one output, or objects with each output') }),
    z.object({ outputs: nested.describe('Columns: of the one output, or of each') }),
  ])
  .meta({ id: 'PredictResponse' });

const modelVersionStatus = z
  .object({
    model_version_status: z.array(
      z.object({
        version: z.string(),
        state: z.enum(['START', 'LOADING', 'AVAILABLE', 'UNLOADING', 'END']),
        status: z.object({ error_code: z.string(), error_message: z.string() }),
      }),
    ),
  })
  .meta({ id: 'ModelVersionStatus' });

const signatureMetadata = z
  .object({
    model_spec: z.object({ name: z.string(), signature_name: z.string(), version: z.string() }),
    metadata: z.object({ signature_def: z.record(z.string(), z.unknown()) }),
  })
  .meta({ id: 'SignatureMetadata' });

export const generateRequest = z
  .object({
    id: z.string().max(1024).optional().describe('Given back in the answer'),
    parameters: z.record(z.string(), parameter).optional(),
  })
  .catchall(parameter);

/** For the document: `{}` suits a model whose inputs are all optional, but there must be a body. */
const generateBody = generateRequest
  .refine((request) => Object.keys(request).length > 0)
  .meta({
    id: 'GenerateRequest',
    description: 'A key that names an input (`text_input`: the one that is text) holds its value or a flat array',
  });

const generateResponse = z
  .object({ id: z.string().optional(), model_name: z.string(), model_version: z.string() })
  .catchall(parameter)
  .meta({ id: 'GenerateResponse', description: 'One key for each output: its value, or a flat array' });

export const DIALECT_SCHEMAS = {
  predictRequest,
  predictResponse,
  modelVersionStatus,
  signatureMetadata,
  generateRequest: generateBody,
  generateResponse,
};
