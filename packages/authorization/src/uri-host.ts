/**
 * Returns whether text is the `uri-host [":" port]` that a `Host` header must be (RFC 9110 §7.2). Stricter than the
 * grammar, without excluding real hosts: no empty name, no percent-encoding, no sub-delimiters, no empty port, no
 * IPvFuture. Node, Express and Fastify accept `a/b?x=`, `u@b` and `a b`.
 */
export function isUriHost(text: string): boolean {
  if (!hostAndPort.test(text)) return false
  return text.charCodeAt(0) !== 0x5b || URL.canParse(`http://${text.slice(0, text.indexOf(']') + 1)}`)
}

const hostAndPort = /^(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/
