/** Reads each certificate of a PEM text as DER, in order and each once (RFC 7468 §5). */
export function decodePem(pem: string): readonly Buffer[] {
  const blocks = pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----/g)
  const bodies = [...blocks].map(([, body = '']) => body.replaceAll(/\s/g, ''))
  return [...new Set(bodies)].map((body) => Buffer.from(body, 'base64'))
}
