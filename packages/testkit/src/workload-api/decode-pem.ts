/** Decodes each certificate of a PEM text to DER, in order and without duplicates (RFC 7468 §5). */
export function decodePem(pem: string): readonly Buffer[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)
  const bodies = [...blocks].map(([, body = '']) => body.replaceAll(/\s/g, ''))
  return [...new Set(bodies)].map((body) => Buffer.from(body, 'base64'))
}
