/**
 * Marks our middleware, so that an application can be checked at startup. The mark is a property, because monitoring
 * tools (OpenTelemetry, Elastic APM) wrap each middleware in a function and copy its enumerable properties.
 */
export class MiddlewareMark<Value> {
  readonly #name: string
  readonly #values = new WeakMap<object, Value>()

  constructor(name: string) {
    this.#name = name
  }

  /** Marks a middleware with a value. */
  set(middleware: object, value: Value): void {
    // The mark can be copied but not forged.
    const mark = Object.freeze({})
    this.#values.set(mark, value)
    Object.defineProperty(middleware, this.#name, { value: mark, enumerable: true })
  }

  /** Returns the value of a middleware, also through a wrapper function. */
  get(middleware: object): Value | undefined {
    const mark: unknown = Reflect.get(middleware, this.#name)
    return typeof mark === 'object' && mark !== null ? this.#values.get(mark) : undefined
  }
}
