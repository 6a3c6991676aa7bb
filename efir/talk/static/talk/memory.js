// What this tab remembers across reloads, and of which login: the next one in this tab may be another person's.
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LENGTH = 8;

// Django changes the secret of the form token with each login. The first half of a token is a mask, by which the letters of the
// secret are shifted in the second one. Some of them tell logins apart.
function loginOf(token) {
  const shift = (index) => LETTERS.indexOf(token[index + token.length / 2]) - LETTERS.indexOf(token[index]);
  return Array.from({ length: LENGTH }, (_, index) => LETTERS.at(shift(index))).join("");
}

export class Memory {
  constructor(name, token) {
    Object.assign(this, { name, login: loginOf(token) });
  }

  // Return the values that this login has written last, and those of a login before it.
  read() {
    try {
      const { login, values = [] } = JSON.parse(sessionStorage.getItem(this.name)) ?? {};
      return login === this.login ? [values, []] : [[], values];
    } catch {
      return [[], []];
    }
  }

  write(values) {
    try {
      sessionStorage.setItem(this.name, JSON.stringify({ login: this.login, values }));
    } catch {
      // The storage is denied: a reload forgets them.
    }
  }
}
