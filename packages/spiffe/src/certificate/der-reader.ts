import { type DerElement, readElement, refuseMalformed } from './der.ts'

/**
 * Reads the elements of a constructed element in order, each by its required or optional tag. `end` rejects leftover
 * bytes.
 */
export class DerReader {
  readonly #bytes: Buffer
  readonly #where: string
  #offset = 0

  /** @param where the name of the construct, for messages */
  constructor(content: Buffer, where: string) {
    this.#bytes = content
    this.#where = where
  }

  /** Whether everything has been read. */
  get done(): boolean {
    return this.#offset === this.#bytes.length
  }

  /**
   * Returns the next element with any tag.
   *
   * @throws {CertificateError} `certificate_malformed` if there is none
   */
  nextOfAny(): DerElement {
    const element = readElement(this.#bytes, this.#offset, this.#where)
    this.#offset += element.size
    return element
  }

  /**
   * Returns the next element, which must have this tag.
   *
   * @throws {CertificateError} `certificate_malformed`
   */
  next(tag: number): DerElement {
    const element = this.nextOfAny()
    if (element.tag !== tag) refuseMalformed(this.#where, `tag ${showTag(element.tag)}`, `tag ${showTag(tag)}`)
    return element
  }

  /** Returns the next element if it has this tag: for OPTIONAL and DEFAULT fields. */
  nextIf(tag: number): DerElement | undefined {
    if (this.done || this.#bytes.readUInt8(this.#offset) !== tag) return undefined
    return this.nextOfAny()
  }

  /** Returns a reader for the content of the next element, which must have this tag. */
  enter(tag: number, where: string): DerReader {
    return new DerReader(this.next(tag).content, where)
  }

  /**
   * Returns all remaining elements with any tag, at least one: for SEQUENCE SIZE (1..MAX) and similar types.
   *
   * @throws {CertificateError} `certificate_malformed` if there is none
   */
  rest(): readonly DerElement[] {
    const elements = [this.nextOfAny()]
    while (!this.done) elements.push(this.nextOfAny())
    return elements
  }

  /**
   * Checks that nothing is left.
   *
   * @throws {CertificateError} `certificate_malformed`
   */
  end(): void {
    if (this.done) return
    refuseMalformed(this.#where, `${this.#bytes.length - this.#offset} bytes too many`, 'nothing after the last field')
  }
}

/**
 * Returns a reader for the one element that fills these bytes completely.
 *
 * @throws {CertificateError} `certificate_malformed` for another tag or for bytes after the element
 */
export function enterOnly(bytes: Buffer, tag: number, where: string): DerReader {
  const outer = new DerReader(bytes, where)
  const inner = outer.enter(tag, where)
  outer.end()
  return inner
}

function showTag(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`
}
