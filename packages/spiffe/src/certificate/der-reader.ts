import { type DerElement, readElement, refuseMalformed } from './der.ts'

/**
 * Reads the elements inside a constructed one in their order, each by the tag that must or may stand there; `end`
 * refuses whatever is left over.
 */
export class DerReader {
  readonly #bytes: Buffer
  readonly #where: string
  #offset = 0

  /** `where` names the construct in messages. */
  constructor(content: Buffer, where: string) {
    this.#bytes = content
    this.#where = where
  }

  /** Whether everything has been read. */
  get done(): boolean {
    return this.#offset === this.#bytes.length
  }

  /**
   * The next element, whatever its tag.
   *
   * @throws {CertificateError} `certificate_malformed` when there is none
   */
  nextOfAny(): DerElement {
    const element = readElement(this.#bytes, this.#offset, this.#where)
    this.#offset += element.encoded.length
    return element
  }

  /**
   * The next element, which must have this tag.
   *
   * @throws {CertificateError} `certificate_malformed`
   */
  next(tag: number): DerElement {
    const element = this.nextOfAny()
    if (element.tag !== tag) refuseMalformed(this.#where, `tag ${showTag(element.tag)}`, `tag ${showTag(tag)}`)
    return element
  }

  /** The next element when it has this tag: for OPTIONAL and DEFAULT fields. */
  nextIf(tag: number): DerElement | undefined {
    if (this.done || this.#bytes.readUInt8(this.#offset) !== tag) return undefined
    return this.nextOfAny()
  }

  /** A reader of what is inside the next element, which must have this tag. */
  enter(tag: number, where: string): DerReader {
    return new DerReader(this.next(tag).content, where)
  }

  /**
   * Everything that is left, of any tag, at least one element: for SEQUENCE SIZE (1..MAX) and its kin.
   *
   * @throws {CertificateError} `certificate_malformed` when nothing is left
   */
  rest(): readonly DerElement[] {
    const elements = [this.nextOfAny()]
    while (!this.done) elements.push(this.nextOfAny())
    return elements
  }

  /**
   * Asserts that nothing is left.
   *
   * @throws {CertificateError} `certificate_malformed`
   */
  end(): void {
    if (this.done) return
    refuseMalformed(this.#where, `${this.#bytes.length - this.#offset} bytes too many`, 'nothing after the last field')
  }
}

/**
 * Enters the one SEQUENCE that fills these bytes completely.
 *
 * @throws {CertificateError} `certificate_malformed` for another tag or for bytes after the sequence
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
