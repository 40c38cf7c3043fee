// A small engine.io 4 and socket.io client: websocket first; where the first connection fails it polls, probes, upgrades.
//
// It connects for ever, with a growing pause between attempts. Packets: 0 open, 1 close, 2 ping, 3 pong, 4 message,
// 5 upgrade, 6 noop; within a message 0 connect, 1 disconnect, 2 event, 4 refusal. Polling joins packets by \x1e.

const SEPARATOR = '\x1e';

export class Wire extends EventTarget {
  constructor(url, hello, { polling = false } = {}) {
    super();
    this.url = url;
    this.hello = hello;
    this.onlyPolling = polling;
    this.everByWebsocket = false;
    this.attempt = 0;
    this.closed = false;
    this.generation = 0;
  }

  open() {
    this.generation += 1;
    this.connected = false;
    this.sid = null;
    this.outbox = [];
    this.posting = false;
    this.polling = false;
    this.polls = false;
    this.emit('state', this.attempt === 0 ? 'connecting' : 'reconnecting');
    const poll = this.onlyPolling || (this.attempt % 2 === 1 && !this.everByWebsocket);
    if (poll) this.poll(this.generation); else this.websocket(this.generation);
  }

  address(transport, extra = {}) {
    const url = new URL(this.url);
    url.searchParams.set('EIO', '4');
    url.searchParams.set('transport', transport);
    Object.entries(extra).forEach(([name, value]) => url.searchParams.set(name, value));
    if (transport === 'websocket') url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  websocket(generation) {
    const socket = new WebSocket(this.address('websocket'));
    this.socket = socket;
    socket.onmessage = (event) => this.current(generation) && this.packet(event.data);
    socket.onclose = () => this.current(generation) && this.lost();
    socket.onopen = () => { this.everByWebsocket = true; };
  }

  async poll(generation) {
    this.polls = true;
    this.polling = true;
    try {
      while (this.current(generation) && this.polls) {
        const extra = { t: Date.now().toString(36), ...(this.sid ? { sid: this.sid } : {}) };
        const answer = await fetch(this.address('polling', extra), { cache: 'no-store', signal: this.abort().signal });
        if (!answer.ok) throw new Error(`polling: ${answer.status}`);
        const text = await answer.text();
        if (!this.current(generation)) return;
        text.split(SEPARATOR).forEach((packet) => this.packet(packet));
      }
    } catch (_error) {
      if (this.current(generation) && this.polls) this.lost();
    } finally {
      if (generation === this.generation) this.polling = false;
    }
  }

  abort() {
    this.aborter = new AbortController();
    return this.aborter;
  }

  current(generation) { return generation === this.generation && !this.closed; }

  // Go over from polling to a websocket, once that answers the probe.
  upgrade() {
    const { generation } = this;
    const socket = new WebSocket(this.address('websocket', { sid: this.sid }));
    socket.onopen = () => socket.send('2probe');
    socket.onclose = () => this.current(generation) && !this.polls && this.lost();
    socket.onmessage = (event) => {
      if (!this.current(generation)) { socket.close(); return; }
      if (event.data === '3probe') {
        this.polls = false;
        this.idle(generation, () => this.upgraded(socket, generation));
        return;
      }
      this.packet(event.data);
    };
  }

  // Call back once no polling request is under way: the server takes none after the upgrade.
  idle(generation, callback) {
    if (!this.current(generation)) return;
    if (this.posting || this.polling) setTimeout(() => this.idle(generation, callback), 5);
    else callback();
  }

  upgraded(socket, generation) {
    this.everByWebsocket = true;
    socket.send('5');
    this.socket = socket;
    socket.onclose = () => this.current(generation) && this.lost();
    this.flush();
  }

  packet(text) {
    this.watch();
    const body = text.slice(1);
    switch (text[0]) {
      case '0': this.opened(JSON.parse(body)); break;
      case '1': this.lost(); break;
      case '2': this.push(`3${body}`); break;
      case '4': this.message(body); break;
      default: break;
    }
  }

  opened(head) {
    this.sid = head.sid;
    this.patience = head.pingInterval + head.pingTimeout;
    this.push(`40${JSON.stringify(this.hello())}`);
    if (this.polls && !this.onlyPolling && (head.upgrades || []).includes('websocket')) this.upgrade();
  }

  message(text) {
    switch (text[0]) {
      case '0': this.connected = true; this.attempt = 0; this.emit('connect'); break;
      case '1': this.lost(); break;
      case '2': this.emit('message', JSON.parse(text.slice(1))[1]); break;
      case '4': this.emit('refused', JSON.parse(text.slice(1))); break;
      default: break;
    }
  }

  // No packet for longer than the server's ping takes: the connection is dead, whatever TCP says.
  watch() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lost(), this.patience || 45000);
  }

  send(message) {
    if (!this.connected) return false;
    this.push(`42${JSON.stringify(['message', message])}`);
    return true;
  }

  push(packet) {
    this.outbox.push(packet);
    this.flush();
  }

  async flush() {
    if (this.outbox.length === 0) return;
    if (this.socket && this.socket.readyState === WebSocket.OPEN && !this.polls) {
      this.outbox.splice(0).forEach((packet) => this.socket.send(packet));
      return;
    }
    if (this.posting || !this.polls || !this.sid) return;
    this.posting = true;
    const { generation } = this;
    const body = this.outbox.splice(0).join(SEPARATOR);
    try {
      const headers = { 'Content-Type': 'text/plain;charset=UTF-8' };
      const answer = await fetch(this.address('polling', { sid: this.sid }), { method: 'POST', headers, body });
      if (!answer.ok) throw new Error(`polling: ${answer.status}`);
    } catch (_error) {
      if (this.current(generation)) this.lost();
      return;
    }
    if (!this.current(generation)) return;
    this.posting = false;
    this.flush();
  }

  lost() {
    if (this.closed) return;
    this.hush();
    this.attempt += 1;
    const pause = Math.min(5000, 150 * 2 ** Math.min(this.attempt, 6)) * (0.75 + Math.random() / 2);
    this.emit('state', 'reconnecting');
    this.timer = setTimeout(() => this.open(), pause);
  }

  hush() {
    this.generation += 1;
    this.connected = false;
    this.polls = false;
    clearTimeout(this.watchdog);
    clearTimeout(this.timer);
    if (this.aborter) this.aborter.abort();
    if (this.socket) { this.socket.onclose = null; this.socket.close(); this.socket = null; }
  }

  // Leave properly, even while the page goes away.
  close() {
    if (this.closed) return;
    const { socket, sid, polls } = this;
    if (socket && socket.readyState === WebSocket.OPEN) socket.send('41');
    else if (polls && sid) navigator.sendBeacon(this.address('polling', { sid }), new Blob(['41'], { type: 'text/plain' }));
    this.hush();
    this.closed = true;
    this.emit('state', 'closed');
  }

  emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
