import { CertificateError } from '../errors.ts'
import { isJsonObject, type JsonObject, type JsonValue, parseStrictJson } from '../trust/strict-json.ts'
import { refuse } from './refusal.ts'

/** The maximum length of a token in bytes: the default limit of Node.js for all headers of a request together. */
export const maxTokenBytes = 16_384

/** A JWS in compact serialization, split but not decoded. */
export interface CompactToken {
  readonly header: string
  readonly claims: string
}

/**
 * Splits a token in compact serialization (JWT-SVID §1, RFC 7515 §3.1). Accepts only canonical base64url without
 * padding, so that no two spellings of a token exist.
 *
 * @throws {Refused} `token_too_large` or `token_malformed`
 */
export function splitToken(token: unknown): CompactToken {
  if (typeof token !== 'string') return refuse('token_malformed', `found a ${typeof token}, expected text`)
  if (token.length > maxTokenBytes) {
    refuse('token_too_large', `found ${token.length} characters, expected at most ${maxTokenBytes}`)
  }
  const parts = token.split('.', 6)
  const [header = '', claims = '', signature = ''] = parts
  if (parts.length !== 3) {
    const found = `${parts.length === 6 ? 'more than 5' : parts.length} parts`
    refuse('token_malformed', `found ${found}, expected a JWS in compact serialization with 3`)
  }
  for (const [name, part] of Object.entries({ header, claims, signature })) {
    if (isBase64Url(part)) continue
    refuse('token_malformed', `found a ${name} that is not base64url without padding (RFC 7515 §2)`)
  }
  return { header, claims }
}

/**
 * Decodes a part of a token as a JSON object. Rejects a repeated name, because two readers could use different values
 * (RFC 7515 §4, RFC 7519 §4).
 *
 * @throws {Refused} `token_malformed`
 */
export function decodePart(part: string, name: string): JsonObject {
  const value = parsePart(part, name)
  return isJsonObject(value) ? value : refuse('token_malformed', `found a ${name} that is not a JSON object`)
}

function parsePart(part: string, name: string): JsonValue {
  try {
    return parseStrictJson(Buffer.from(part, 'base64url'), name)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    // The message of the error quotes the token.
    return refuse('token_malformed', `found a ${name} that is not JSON in UTF-8, or has a repeated name`)
  }
}

// `Buffer.from` skips invalid characters and ignores unused bits, so the bytes are encoded again and compared.
function isBase64Url(text: string): boolean {
  return Buffer.from(text, 'base64url').toString('base64url') === text
}
