import { CertificateError } from '../errors.ts'
import { maxPieces, refusePieces } from './der.ts'

/** One block of PEM (RFC 7468). Its base64 is not decoded, because an ignored block need not be valid. */
export interface PemBlock {
  /** `CERTIFICATE`, `PRIVATE KEY`, … */
  readonly label: string
  /** The headers of RFC 1421, by name. Older encrypted keys have them. */
  readonly headers: ReadonlyMap<string, string>
  /** Without line breaks and blanks. */
  readonly base64: string
}

/**
 * Splits text into its PEM blocks. All PEM is read here, so that all code gets the same certificates and keys. Text
 * around blocks is allowed (RFC 7468 §2), but it must not look like a broken block: an indented or commented-out
 * boundary, base64 without boundaries, or DER after the last block. A UTF-8 byte order mark is skipped at the start of
 * the text, and at the start of a file that was appended.
 *
 * @throws {CertificateError} `certificate_malformed` with the line number; also above 4096 blocks or 262,144 lines
 */
export function readPemBlocks(input: string | Uint8Array): readonly PemBlock[] {
  const text = readText(input)
  const blocks: PemBlock[] = []
  let open: OpenBlock | undefined
  for (const { line, number, start, end } of readLines(text)) {
    const boundary = parseBoundary(line, number)
    if (boundary === undefined) {
      if (open === undefined) checkText(line, number)
    } else if (open === undefined && boundary.kind === 'BEGIN') {
      if (blocks.length === maxPieces) refusePieces(`${maxPieces} blocks of PEM`)
      open = { label: boundary.label, start: end }
    } else if (open?.label === boundary.label && boundary.kind === 'END') {
      blocks.push(closeBlock(open.label, text.slice(open.start, start)))
      open = undefined
    } else {
      const expected = open === undefined ? 'a line -----BEGIN …----- first' : `-----END ${open.label}-----`
      refuse(`line ${number}: found -----${boundary.kind} ${boundary.label}-----`, expected)
    }
  }
  if (open !== undefined) refuse('found the end of the text', `-----END ${open.label}-----; is the file truncated?`)
  return blocks
}

/**
 * Returns the bytes of a block.
 *
 * @throws {CertificateError} `certificate_malformed` for headers, and for anything except base64 with its padding
 */
export function decodePemBlock({ label, headers, base64 }: PemBlock): Buffer {
  if (headers.size > 0) refuse(`found the header ${[...headers.keys()][0]} in a ${label} block`, 'only base64')
  // `Buffer.from` skips invalid characters, so the text is valid only if it comes back unchanged.
  const bytes = Buffer.from(base64, 'base64')
  if (base64 === '' || bytes.toString('base64') !== base64) {
    refuse(`found invalid base64 in a ${label} block`, 'valid and complete base64')
  }
  return bytes
}

interface OpenBlock {
  readonly label: string
  /** The position of its content. */
  readonly start: number
}

interface Line {
  readonly line: string
  /** The first line is 1. */
  readonly number: number
  readonly start: number
  /** Excludes the line break. */
  readonly end: number
}

/** The maximum number of lines: 4096 certificates with 64 lines each. */
const maxLines = 262_144

/** Yields the lines that are long enough to be or resemble a boundary. The shortest one is a dash, END and KEY. */
function* readLines(text: string): Generator<Line> {
  let number = 0
  for (let start = 0; start < text.length;) {
    number += 1
    if (number > maxLines) refusePieces(`${maxLines} lines`)
    const end = findLineBreak(text, start)
    if (end - start >= 7) yield { line: text.slice(start, end), number, start, end }
    start = skipLineBreak(text, end)
  }
}

function findLineBreak(text: string, start: number): number {
  let end = start
  for (; end < text.length; end += 1) {
    const code = text.charCodeAt(end)
    if (code === lineFeed || code === carriageReturn) break
  }
  return end
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

function closeBlock(label: string, content: string): PemBlock {
  const headers = new Map<string, string>()
  // The content starts with the line break of the boundary.
  let start = skipLineBreak(content, 0)
  while (start < content.length) {
    const end = findLineBreak(content, start)
    const header = parseHeader(content.slice(start, end))
    if (header === undefined) break
    headers.set(...header)
    start = skipLineBreak(content, end)
  }
  return { label, headers, base64: content.slice(start).replace(/[ \t\r\n]+/g, '') }
}

function skipLineBreak(text: string, at: number): number {
  return text.startsWith('\r\n', at) ? at + 2 : at + 1
}

/** The maximum number of characters in a header line. */
const maxHeaderLength = 1024

// All regular expressions in this file take linear time, because their input may come from an attacker.
function parseHeader(line: string): readonly [name: string, value: string] | undefined {
  if (line.length > maxHeaderLength) return undefined
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(colon, 0))
  return /^[A-Za-z][A-Za-z0-9-]*$/.test(name) ? [name, line.slice(colon + 1).trim()] : undefined
}

// A boundary must be at the start of its line. Labels are more restricted than in RFC 7468: `certificate` must not be
// an unknown label that is ignored.
function parseBoundary(line: string, number: number): { readonly kind: string; readonly label: string } | undefined {
  if (!/BEGIN|END/i.test(line)) return undefined
  const text = line.replace(/^\uFEFF/, '')
  const [, kind = '', label = ''] = /^-----(BEGIN|END) ([A-Z0-9 #]+)-----\s*$/.exec(text) ?? []
  if (kind !== '') return { kind, label }
  if (/^-----(?:BEGIN|END) /.test(text) || isBoundaryLike(text)) refuseBoundary(text, number)
  return undefined
}

/** Returns true for a boundary that is indented, quoted, commented out, in lower case, or has typographic dashes. */
function isBoundaryLike(text: string): boolean {
  for (const [, dashes = '', label = ''] of text.matchAll(dashesAndLabel)) {
    // The text around blocks that openssl writes has up to three dashes.
    if (/^-{0,3}$/.test(dashes)) continue
    if (/CERTIFICATE|KEY|CRL|PKCS|CMS/i.test(label)) return true
  }
  return false
}

// A match starts only at the first dash of a run and consumes all of it, which keeps the time linear.
const dashesAndLabel = /(?<![-\u2010-\u2015\u2212])([-\u2010-\u2015\u2212]+)\s*(?:BEGIN|END)\s*([A-Z0-9 #]*)/gi

// The message shows only the boundary, because a key may follow it on the same line.
function refuseBoundary(line: string, number: number): never {
  const [found = ''] = /(?:BEGIN|END)(?: [A-Z0-9#]{1,12}(?![\w+/])){0,4}/i.exec(line) ?? []
  const remedy = line.includes('\\n')
    ? 'line breaks instead of the two characters \\n'
    : `the boundary alone on its line, such as -----BEGIN CERTIFICATE-----, with no spaces, comment or quotes before it`
  refuse(`line ${number}: found '${found}' in a line that is not exactly a PEM boundary`, remedy)
}

// A certificate or key of more than 128 bytes starts with these letters.
function checkText(line: string, number: number): void {
  if (/^\s*MI[A-Za-z0-9+/]{46,}={0,2}\s*$/.test(line)) {
    refuse(`line ${number}: found base64 outside of a block`, 'a line such as -----BEGIN CERTIFICATE----- before it')
  }
}

function readText(input: string | Uint8Array): string {
  const text = typeof input === 'string' ? input : decodeText(input)
  const control = /[^\P{Cc}\t\n\r\f]/u.exec(text)
  if (control === null) return text
  const found = `found the control character 0x${text.charCodeAt(control.index).toString(16).padStart(2, '0')}`
  const hint =
    typeof input === 'string'
      ? 'PEM; pass DER as bytes, not as a string'
      : 'PEM or DER; one file cannot contain both, so convert the DER with openssl x509 -inform DER'
  return refuse(`${found} at character ${control.index}`, hint)
}

function decodeText(bytes: Uint8Array): string {
  const [first = 1, second = 1, third = 1, fourth = 1] = bytes
  const isMarked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)
  if (isMarked || (first === 0 && third === 0) || (second === 0 && fourth === 0)) {
    refuse('found UTF-16', 'UTF-8 or ASCII; convert it, for example with iconv -f UTF-16 -t UTF-8')
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

function refuse(found: string, expected: string): never {
  throw new CertificateError('certificate_malformed', `PEM: ${found}, expected ${expected}`)
}
