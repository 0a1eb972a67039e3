package web

import "testing"

func TestContentLanguage(t *testing.T) {
	for tag, want := range map[string]string{
		"": "en", "en-GB": "en", "zh": "zh-Hans", "zh-CN": "zh-Hans", "zh-Hant": "zh-Hans", "zh-TW": "zh-Hans", "ar-AE": "ar", "fr-CA": "fr",
		"es-419": "es", "ru": "ru", "de": "en", "vi": "en", "ja": "en",
	} {
		if got, ok := contentLanguage(tag); !ok || got != want {
			t.Errorf("%q: %s, %v; want %s", tag, got, ok, want)
		}
	}
	if _, ok := contentLanguage("not a tag"); ok {
		t.Error("what is no tag was taken")
	}
}

func TestLocalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/search?q=x": "/search?q=x", "//evil.example": "/", "/\\evil.example": "/", "https://evil.example": "/", "": "/", "search": "/", "/a\r\nb": "/",
	} {
		if got := localPath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}
