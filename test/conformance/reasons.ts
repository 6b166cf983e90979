// Why models are refused, in a few kinds: a runtime's own words name nodes and source lines.

const KINDS: readonly (readonly [RegExp, string])[] = [
  [/is a sequence or a map/, 'an input, or every output, is a sequence, a map or an optional value'],
  [/which the Open Inference Protocol does not know/, 'an element type without a name in the protocol'],
  [/^Unsupported data type: 16$/, 'the element type bfloat16, which onnxruntime-node cannot hand over'],
  [/^Unsupported data type/, 'another element type that onnxruntime-node cannot hand over'],
  [/Could not find an implementation for/, 'onnxruntime has no CPU kernel for this version or type of an operator'],
  [/ai\.onnx\.preview\.training.* is not a registered/, 'a training operator, which onnxruntime does not have'],
  [/is not a registered/, 'an operator that onnxruntime does not have'],
  [/Batchwise recurrent operations/, 'onnxruntime has no recurrent operators with the batch in front'],
  [/Failed to construct locale/, 'the machine has not the locale that the model asks for'],
  [/its first run did not end well/, 'the engine died over made-up inputs when the model was tried out'],
];

/** The kind of a reason, or the reason itself where it is of none. */
export function kindOf(reason: string): string {
  return KINDS.find(([pattern]) => pattern.test(reason))?.[1] ?? reason;
}
